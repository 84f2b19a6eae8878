using Mural.Layers.OneDnn;
using static TorchSharp.torch;

namespace Mural.Layers;

/// <summary>Two-dimensional convolution with a square kernel.</summary>
internal sealed class Conv2d(long inputs, long outputs, int kernel, int stride = 1, int padding = 0, long groups = 1, bool bias = true)
    : WeightedLayer(nameof(Conv2d), Uniform(FanIn(inputs, groups, kernel), outputs, inputs / groups, kernel, kernel), bias ? Uniform(FanIn(inputs, groups, kernel), outputs) : null)
{
    private readonly ConvolutionShape _shape = new((padding, padding), (stride, stride), (1, 1), groups);

    private protected override Tensor Plain(Tensor input, Tensor weight, Tensor? bias) =>
        nn.functional.conv2d(input, weight, bias, [stride, stride], [padding, padding], groups: groups);

    private protected override Tensor Packed(Tensor input, Tensor weight, Tensor? bias) => PackedOperators.Convolution(input, weight, bias, _shape);

    private protected override Tensor Pack(Tensor weight) => PackedOperators.PackConvolution(weight, _shape);

    private static double FanIn(long inputs, long groups, int kernel) => (double)inputs / groups * kernel * kernel;
}
