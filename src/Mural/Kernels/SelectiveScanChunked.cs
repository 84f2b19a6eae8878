using TorchSharp;
using static TorchSharp.torch;

namespace Mural.Kernels;

/// <summary>
/// The scan with libtorch operators on any device, in three passes over chunks that are walked side by side (spec dim.md 2.3): the end state of each from
/// zero, the true start states one after another, then the chunks again from those. A sequence of L tokens takes some √L operators instead of L. Inference keeps
/// one state for every chunk; training keeps one for every token, unless the layer is checkpointed.
/// Computes in float32, or in float64 where the input is float64.
/// </summary>
internal static class SelectiveScanChunked
{
    /// <summary>As <see cref="SelectiveScan.ApplyWithState"/>.</summary>
    /// <param name="u">Shape: `[B, L, E]`.</param>
    /// <param name="delta">Shape: `[B, L, E]`.</param>
    /// <param name="a">Shape: `[E, N]`.</param>
    /// <param name="b">Shape: `[B, L, N]`.</param>
    /// <param name="c">Shape: `[B, L, N]`.</param>
    /// <param name="skip">Shape: `[E]`.</param>
    /// <param name="z">Shape: `[B, L, E]`.</param>
    /// <param name="deltaBias">Shape: `[E]`.</param>
    /// <param name="order">Storage row of each scan token, or null.</param>
    /// <param name="chunk">Tokens of a chunk; null for √L, which makes both walks equally long.</param>
    internal static (Tensor Output, Tensor LastState) Apply(
        Tensor u, Tensor delta, Tensor a, Tensor b, Tensor c, Tensor skip, Tensor? z, Tensor? deltaBias, ScanOrder? order, int? chunk = null)
    {
        using DisposeScope scope = NewDisposeScope();
        long length = u.shape[1], tokens = Math.Max(1, chunk ?? (long)Math.Ceiling(Math.Sqrt(length))), chunks = Math.Max(1, (length + tokens - 1) / tokens);
        SelectiveScanTerms terms = SelectiveScanTerms.Of(u, delta, a, b, c, skip, deltaBias);
        // Steps of zero neither decay the state nor add to it, so the tokens that fill the last chunk change nothing.
        Tensor Cut(Tensor rows) => nn.functional.pad(rows, (0, 0, 0, chunks * tokens - length)).unflatten(1, chunks, tokens);
        Tensor steps = Cut(terms.Steps);
        SelectiveScanTerms cut = terms with { Steps = steps, Inputs = Cut(terms.Inputs), B = Cut(terms.B), C = Cut(terms.C) };

        Tensor zero = zeros(u.shape[0], chunks, u.shape[2], a.shape[1], dtype: steps.dtype, device: u.device);
        (Tensor ends, _) = Walk(cut, zero, keepOutputs: false);
        (Tensor last, List<Tensor> outputs) = Walk(cut, Starts(cut, ends), keepOutputs: true);
        Tensor y = stack(outputs, 2).flatten(1, 2).narrow(1, 0, length) + terms.Skipped;
        Tensor result = SelectiveScanGate.ToStorage(y, z?.to(y.dtype), order).to(u.dtype);
        return (result.MoveToOuterDisposeScope(), last.select(1, chunks - 1).detach().MoveToOuterDisposeScope());
    }

    /// <summary>All chunks at once, token by token, from a state that it disposes. States have the shape `[B, chunks, E, N]`, outputs `[B, chunks, E]`.</summary>
    private static (Tensor State, List<Tensor> Outputs) Walk(in SelectiveScanTerms terms, Tensor state, bool keepOutputs)
    {
        var outputs = new List<Tensor>();
        for (long t = 0; t < terms.Steps.shape[2]; t++)
        {
            using DisposeScope step = NewDisposeScope();
            Tensor decay = (terms.Steps.select(2, t).unsqueeze(-1) * terms.Rates).exp();
            Tensor input = terms.Inputs.select(2, t).unsqueeze(-1) * terms.B.select(2, t).unsqueeze(2);
            Tensor next = addcmul(input, decay, state, 1).MoveToOuterDisposeScope();
            state.Dispose();
            state = next;
            if (keepOutputs) outputs.Add(matmul(state, terms.C.select(2, t).unsqueeze(-1)).squeeze(-1).MoveToOuterDisposeScope());
        }
        return (state, outputs);
    }

    /// <summary>The state before each chunk, from the end states of chunks that started from zero. The decay over a chunk is that of the sum of its steps.</summary>
    private static Tensor Starts(in SelectiveScanTerms terms, Tensor ends)
    {
        Tensor decays = (terms.Steps.sum(2).unsqueeze(-1) * terms.Rates).exp(), state = zeros_like(ends.select(1, 0));
        var starts = new List<Tensor> { state };
        for (long chunk = 0; chunk < ends.shape[1] - 1; chunk++)
        {
            state = addcmul(ends.select(1, chunk), decays.select(1, chunk), state, 1);
            starts.Add(state);
        }
        return stack(starts, 1);
    }
}
