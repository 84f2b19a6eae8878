using Mural.Layers;
using Mural.Layers.Strips;
using static TorchSharp.torch;

namespace Mural.Autoencoders;

/// <summary>Halves the map, rounding down: zeros on the right and bottom side only, then a 3x3 convolution of stride 2 (spec 3.1).</summary>
internal sealed class Downsampler : nn.Module<Tensor, Tensor>
{
    private readonly Conv2d _conv;

    internal Downsampler(int channels, LayerFactory layers) : base(nameof(Downsampler)) => _conv = this.Register("conv", layers.Convolution(channels, channels, 3, stride: 2));

    public override Tensor forward(Tensor input)
    {
        using Tensor padded = nn.functional.pad(input, (0, 1, 0, 1));
        return _conv.forward(padded);
    }

    /// <summary>The same on a map that is looked at in strips, which is freed.</summary>
    internal WritableMap Run(FeatureMap input, StripRunner runner)
    {
        using FeatureMap before = input;
        return runner.Convolve(before, _conv);
    }
}

/// <summary>Doubles the map: nearest neighbour, then a 3x3 convolution.</summary>
internal sealed class Upsampler : nn.Module<Tensor, Tensor>
{
    private readonly Conv2d _conv;

    internal Upsampler(int channels, LayerFactory layers) : base(nameof(Upsampler)) => _conv = this.Register("conv", layers.Convolution(channels, channels, 3, padding: 1));

    public override Tensor forward(Tensor input)
    {
        using Tensor doubled = nn.functional.upsample_nearest2d(input, [input.shape[2] * 2, input.shape[3] * 2]);
        return _conv.forward(doubled);
    }

    /// <summary>The same on a map that is looked at in strips. The result has four times the numbers, and is computed when it is looked at.</summary>
    internal ComputedMap Run(FeatureMap input, StripRunner runner) => runner.Convolution(runner.Nearest(input, 2 * input.Height, 2 * input.Width), _conv);
}
