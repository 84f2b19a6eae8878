using Mural.Layers.OneDnn;
using static TorchSharp.torch;

namespace Mural.Layers;

/// <summary>y = x Wᵀ + b over the last dimension.</summary>
internal sealed class Linear(long inputs, long outputs, bool bias = true)
    : WeightedLayer(nameof(Linear), Uniform(inputs, outputs, inputs), bias ? zeros(outputs) : null)
{
    private protected override Tensor Plain(Tensor input, Tensor weight, Tensor? bias) => nn.functional.linear(input, weight, bias);

    private protected override Tensor Packed(Tensor input, Tensor weight, Tensor? bias) => PackedOperators.Linear(input, weight, bias);

    private protected override Tensor Pack(Tensor weight) => PackedOperators.PackLinear(weight);
}
