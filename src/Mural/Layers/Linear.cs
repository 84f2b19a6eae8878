using Mural.Layers.OneDnn;
using static TorchSharp.torch;

namespace Mural.Layers;

/// <summary>y = x Wᵀ + b over the last dimension.</summary>
/// <param name="inputs">Width of the input.</param>
/// <param name="outputs">Width of the result.</param>
/// <param name="bias">Whether there is a bias; it starts at zero.</param>
/// <param name="device">Where the parameters live, or null for the CPU.</param>
/// <param name="initialize">False leaves the weight as it is in memory, for a model about to be loaded or initialised as a whole.</param>
/// <param name="parameters">Type that the parameters are held in.</param>
internal sealed class Linear(long inputs, long outputs, bool bias = true, Device? device = null, bool initialize = true, ScalarType parameters = ScalarType.Float32)
    : WeightedLayer(nameof(Linear), Start(initialize, parameters, device, inputs, outputs, inputs), bias ? zeros(outputs, parameters, device) : null)
{
    /// <summary>
    /// One layer whose outputs are those of several on the same input, one after the other: a single product costs less. The weights move into it, and the
    /// parts cannot be run any more.
    /// </summary>
    internal static Linear Join(params Linear[] parts)
    {
        using TorchSharp.DisposeScope scope = NewDisposeScope();
        using IDisposable guard = no_grad();
        Linear first = parts[0];
        var joined = new Linear(first.Weight.shape[1], parts.Sum(part => part.Weight.shape[0]), first.Bias is not null, first.Weight.device, initialize: false, first.Weight.dtype);
        long row = 0;
        foreach (Linear part in parts)
        {
            long outputs = part.Weight.shape[0];
            joined.Weight.narrow(0, row, outputs).copy_(part.Weight);
            joined.Bias?.narrow(0, row, outputs).copy_(part.Bias!);
            part.MoveTo(joined, row);
            row += outputs;
        }
        return joined;
    }

    private protected override Tensor Plain(Tensor input, Tensor weight, Tensor? bias) => nn.functional.linear(input, weight, bias);

    private protected override Tensor Packed(Tensor input, Tensor weight, Tensor? bias) => PackedOperators.Linear(input, weight, bias);

    private protected override Tensor Pack(Tensor weight) => PackedOperators.PackLinear(weight);
}
