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

    private bool _rowsAreThere;

    /// <summary>Distance between the taps of the kernel; the padding grows with it, so that the map keeps its size.</summary>
    internal int Dilation { get; set; } = 1;

    /// <summary>Side of the kernel.</summary>
    internal int Kernel => kernel;

    /// <summary>Step along both sides.</summary>
    internal int Stride => stride;

    /// <summary>Rows and columns of zeros at every side, with the taps as they are now.</summary>
    internal int Padding => padding * Dilation;

    /// <summary>Rows that the taps reach over, as they are now.</summary>
    internal int Extent => (kernel - 1) * Dilation + 1;

    // A linear over the channels of each pixel. oneDNN lays a packed 1x1 convolution out for a map it guesses, and would lay it out anew at every call on another.
    private readonly bool _isLinear = kernel == 1 && stride == 1 && padding == 0 && groups == 1;

    /// <summary>The convolution of some rows of a larger map: those that the result needs are all there, so that only columns are padded.</summary>
    internal Tensor OfRows(Tensor rows)
    {
        _rowsAreThere = true;
        try
        {
            return forward(rows);
        }
        finally
        {
            _rowsAreThere = false;
        }
    }

    private protected override Tensor Plain(Tensor input, Tensor weight, Tensor? bias) =>
        nn.functional.conv2d(input, weight, bias, [stride, stride], [Shape.Padding.H, Shape.Padding.W], [Dilation, Dilation], groups);

    private protected override Tensor Packed(Tensor input, Tensor weight, Tensor? bias)
    {
        if (!_isLinear) return PackedOperators.Convolution(input, weight, bias, Shape);
        using Tensor pixels = input.permute(0, 2, 3, 1), output = PackedOperators.Linear(pixels, weight, bias);
        return output.permute(0, 3, 1, 2);
    }

    private protected override bool PackingPays => _isLinear || PackedOperators.PacksConvolutionsWell;

    // As oneDNN sees the map, so that nothing but its own layout is made of it at a call.
    private protected override Tensor Arrange(Tensor weight) => weight.ForConvolution();

    private protected override Tensor Pack(Tensor weight)
    {
        if (!_isLinear) return PackedOperators.PackConvolution(weight, _shape);
        using Tensor matrix = weight.flatten(1);
        return PackedOperators.PackLinear(matrix);
    }

    private ConvolutionShape Shape => Dilation == 1 && !_rowsAreThere
        ? _shape : _shape with { Padding = (_rowsAreThere ? 0 : padding * Dilation, padding * Dilation), Dilation = (Dilation, Dilation) };

    private static double FanIn(long inputs, long groups, int kernel) => (double)inputs / groups * kernel * kernel;
}
