using Mural.Layers.OneDnn;
using static TorchSharp.torch;

namespace Mural.Layers;

/// <summary>Two-dimensional convolution with a square kernel.</summary>
/// <param name="inputs">Channels of the input.</param>
/// <param name="outputs">Channels of the result.</param>
/// <param name="kernel">Side of the kernel.</param>
/// <param name="stride">Step along both sides.</param>
/// <param name="padding">Rows and columns of zeros at every side.</param>
/// <param name="groups">Groups of channels that do not mix.</param>
/// <param name="bias">Whether there is a bias.</param>
/// <param name="device">Where the parameters live, or null for the CPU.</param>
/// <param name="initialize">False leaves the weight as it is in memory, for a model about to be loaded.</param>
/// <param name="parameters">Type that the parameters are held in.</param>
internal sealed class Conv2d(
    long inputs, long outputs, int kernel, int stride = 1, int padding = 0, long groups = 1, bool bias = true, Device? device = null, bool initialize = true,
    ScalarType parameters = ScalarType.Float32)
    : WeightedLayer(
        nameof(Conv2d),
        Start(initialize, parameters, device, FanIn(inputs, groups, kernel), outputs, inputs / groups, kernel, kernel),
        bias ? Start(initialize, parameters, device, FanIn(inputs, groups, kernel), outputs) : null)
{
    private readonly ConvolutionShape _shape = new((padding, padding), (stride, stride), (1, 1), groups);

    private protected override Tensor Plain(Tensor input, Tensor weight, Tensor? bias) =>
        nn.functional.conv2d(input, weight, bias, [stride, stride], [padding, padding], groups: groups);

    private protected override Tensor Packed(Tensor input, Tensor weight, Tensor? bias) => PackedOperators.Convolution(input, weight, bias, _shape);

    private protected override Tensor Pack(Tensor weight) => PackedOperators.PackConvolution(weight, _shape);

    private static double FanIn(long inputs, long groups, int kernel) => (double)inputs / groups * kernel * kernel;
}
