using TorchSharp;
using static TorchSharp.torch;

namespace Mural.LinFusion;

/// <summary>
/// The recurrence of causal linear attentions, whose state is a matrix for each head: S_t = diag(exp g_t) S_{t-1} + k_tᵀ v_t, y_t = q_t S_t. Computed in chunks of tokens, within
/// which every token meets every one before it by matrix products; only exponents that are not positive are ever taken, so no decay is too strong. All operators are
/// libtorch's and differentiable.
/// </summary>
internal static class DecayingScan
{
    // Chunks whose products are made at once. Few enough for the products of one run over them to stay near the processor.
    private const long ChunksAtOnce = 32;

    /// <param name="queries">q. Shape: `[B, N, H, dk]`.</param>
    /// <param name="keys">k, likewise.</param>
    /// <param name="values">v. Shape: `[B, N, H, dv]`.</param>
    /// <param name="decay">g, not positive: one number a head or one a channel of the keys; null for none. Shape: `[B, N, H, 1]` or `[B, N, H, dk]`.</param>
    /// <returns>y, float32 or wider. Shape: `[B, N, H, dv]`.</returns>
    internal static Tensor Apply(Tensor queries, Tensor keys, Tensor values, Tensor? decay)
    {
        using DisposeScope scope = NewDisposeScope();
        ScalarType type = PositiveFeatures.Accumulation(queries.dtype);
        // Decays of their own for each channel take a product for each pair of tokens and channel.
        long chunk = decay?.shape[3] > 1 ? 16 : 64, segment = chunk * ChunksAtOnce;
        Tensor state = zeros([keys.shape[0], keys.shape[2], keys.shape[3], values.shape[3]], type, keys.device);
        var outputs = new List<Tensor>();
        for (long start = 0; start < queries.shape[1]; start += segment)
        {
            using DisposeScope part = NewDisposeScope();
            long count = Math.Min(segment, queries.shape[1] - start);
            Tensor Of(Tensor tokens) => Chunks(tokens.narrow(1, start, count).to(type), chunk);
            (Tensor output, Tensor next) = Segment(Of(queries), Of(keys), Of(values), decay is null ? null : Of(decay).cumsum(3), state);
            outputs.Add(output.permute(0, 2, 3, 1, 4).flatten(1, 2).narrow(1, 0, count).MoveToOuterDisposeScope());
            state.Dispose();
            state = next.MoveToOuterDisposeScope();
        }
        return cat(outputs, 1).MoveToOuterDisposeScope();
    }

    // All of [B, H, chunks, n, d]; the decays are summed within each chunk.
    private static (Tensor Output, Tensor State) Segment(Tensor queries, Tensor keys, Tensor values, Tensor? decay, Tensor state)
    {
        long chunks = keys.shape[2];
        Tensor toState = keys, fromState = queries;
        Tensor? kept = null;
        if (decay is not null)
        {
            Tensor whole = decay.narrow(3, decay.shape[3] - 1, 1);
            toState = keys * (whole - decay).exp();
            fromState = queries * decay.exp();
            kept = whole.exp().transpose(-2, -1);
        }
        Tensor added = toState.transpose(-2, -1).matmul(values);
        var before = new Tensor[chunks];
        for (long i = 0; i < chunks; i++)
        {
            before[i] = state;
            state = (kept is null ? state : state * kept.select(2, i)) + added.select(2, i);
        }
        Tensor output = fromState.matmul(stack(before, 2)) + Within(queries, keys, decay).matmul(values);
        return (output, state);
    }

    // How much each token of a chunk gets of each one that is not after it. Shape: [B, H, chunks, n, n].
    private static Tensor Within(Tensor queries, Tensor keys, Tensor? decay)
    {
        long length = keys.shape[3];
        Tensor after = ones([length, length], ScalarType.Bool, keys.device).triu(1);
        if (decay is null) return queries.matmul(keys.transpose(-2, -1)).masked_fill(after, 0);
        if (decay.shape[4] == 1) return queries.matmul(keys.transpose(-2, -1)) * (decay - decay.transpose(-2, -1)).masked_fill(after, double.NegativeInfinity).exp();
        Tensor kept = (decay.unsqueeze(4) - decay.unsqueeze(3)).masked_fill(after.unsqueeze(-1), double.NegativeInfinity).exp();
        return (queries.unsqueeze(4) * keys.unsqueeze(3) * kept).sum(-1);
    }

    // [B, n, H, d] -> [B, H, chunks, chunk, d]. Tokens that fill the last chunk add nothing to the state and do not let it decay.
    private static Tensor Chunks(Tensor tokens, long chunk)
    {
        long rest = tokens.shape[1] % chunk;
        Tensor filled = rest == 0 ? tokens : nn.functional.pad(tokens, [0, 0, 0, 0, 0, chunk - rest]);
        return filled.unflatten(1, -1, chunk).permute(0, 3, 1, 2, 4);
    }
}
