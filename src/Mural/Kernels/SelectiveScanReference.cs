using TorchSharp;
using static TorchSharp.torch;

namespace Mural.Kernels;

/// <summary>
/// The recurrence written step by step with libtorch operators, as one would in PyTorch: the reference of the kernel in tests and its yardstick in benchmarks.
/// Computes in float32, or in float64 where the input is float64.
/// </summary>
internal static class SelectiveScanReference
{
    internal static (Tensor Output, Tensor LastState) Apply(
        Tensor u, Tensor delta, Tensor a, Tensor b, Tensor c, Tensor skip, Tensor? z, Tensor? deltaBias, ScanOrder? order)
    {
        using DisposeScope scope = NewDisposeScope();
        SelectiveScanTerms terms = SelectiveScanTerms.Of(u, delta, a, b, c, skip, deltaBias);
        Tensor state = zeros(u.shape[0], u.shape[2], a.shape[1], dtype: terms.Steps.dtype, device: u.device);
        var outputs = new List<Tensor>();
        for (long t = 0; t < u.shape[1]; t++)
        {
            using DisposeScope step = NewDisposeScope();
            Tensor decay = (terms.Steps.select(1, t).unsqueeze(-1) * terms.Rates).exp();
            Tensor next = decay * state + terms.Inputs.select(1, t).unsqueeze(-1) * terms.B.select(1, t).unsqueeze(1);
            state.Dispose();
            state = next.MoveToOuterDisposeScope();
            outputs.Add(matmul(state, terms.C.select(1, t).unsqueeze(-1)).squeeze(-1).MoveToOuterDisposeScope());
        }

        Tensor y = outputs.Count == 0 ? terms.Skipped : stack(outputs, 1) + terms.Skipped;
        Tensor result = SelectiveScanGate.ToStorage(y, z?.to(y.dtype), order).to(u.dtype);
        return (result.MoveToOuterDisposeScope(), state.detach().MoveToOuterDisposeScope());
    }
}
