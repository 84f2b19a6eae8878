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
        ScalarType type = u.dtype == ScalarType.Float64 ? ScalarType.Float64 : ScalarType.Float32;
        long batch = u.shape[0], length = u.shape[1], channels = u.shape[2], states = a.shape[1];
        Tensor values = u.to(type), rates = a.to(type);
        Tensor steps = delta.to(type);
        if (deltaBias is not null) steps = steps + deltaBias.to(type);
        steps = nn.functional.softplus(steps, beta: 1, threshold: 20);
        Tensor inputs = steps * values, b32 = b.to(type), c32 = c.to(type);

        Tensor state = zeros(batch, channels, states, dtype: type, device: u.device);
        var outputs = new List<Tensor>();
        for (long t = 0; t < length; t++)
        {
            using DisposeScope step = NewDisposeScope();
            Tensor decay = (steps.select(1, t).unsqueeze(-1) * rates).exp();
            state = (decay * state + inputs.select(1, t).unsqueeze(-1) * b32.select(1, t).unsqueeze(1)).MoveToOuterDisposeScope();
            outputs.Add(matmul(state, c32.select(1, t).unsqueeze(-1)).squeeze(-1).MoveToOuterDisposeScope());
        }

        Tensor y = outputs.Count == 0 ? values : stack(outputs, 1) + values * skip.to(type);
        Tensor result = SelectiveScanGate.ToStorage(y, z?.to(type), order).to(u.dtype);
        return (result.MoveToOuterDisposeScope(), state.detach().MoveToOuterDisposeScope());
    }
}
