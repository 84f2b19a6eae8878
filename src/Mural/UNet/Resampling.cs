using Mural.Attention;
using Mural.HiDiffusion;
using Mural.Layers;
using static TorchSharp.torch;

namespace Mural.UNet;

/// <summary>Halves the map, rounding up: a 3x3 convolution of stride 2 (spec 2.5).</summary>
internal sealed partial class Downsampler : NamedModule
{
    private readonly Conv2d _conv;
    private readonly bool _padFarSides;

    /// <param name="channels">Channels of the map.</param>
    /// <param name="padding">1 for zeros at every side, 0 for the far sides only, where the map is halved rounding down.</param>
    /// <param name="layers">Creates the layers.</param>
    internal Downsampler(int channels, int padding, LayerFactory layers) : base(nameof(Downsampler))
    {
        _padFarSides = padding == 0;
        _conv = this.Register("conv", layers.Convolution(channels, channels, 3, stride: 2, padding));
    }

    internal Tensor Forward(Tensor input, MapPart? part = null)
    {
        if (part is not null) return _padFarSides ? part.DownsampleFarSides(_conv, input) : part.Downsample(_conv, input);
        if (!_padFarSides) return _conv.forward(input);
        using Tensor padded = nn.functional.pad(input, (0, 1, 0, 1));
        return _conv.forward(padded);
    }

    /// <summary>Quarters the map, with the convolution at twice its stride, padding and dilation (HiDiffusion specification 2.2).</summary>
    internal Tensor ForwardStrided(Tensor input)
    {
        using Tensor every = MapResizing.EveryOther(input), map = every.ForConvolution();
        return Forward(map);
    }
}

/// <summary>Enlarges the map to a given size, which is that of the next skip: nearest neighbour, then a 3x3 convolution (spec 2.5).</summary>
internal sealed partial class Upsampler : NamedModule
{
    private readonly Conv2d _conv;

    internal Upsampler(int channels, LayerFactory layers) : base(nameof(Upsampler)) =>
        _conv = this.Register("conv", layers.Convolution(channels, channels, 3, padding: 1));

    internal Tensor Forward(Tensor input, MapSize size, MapPart? part = null)
    {
        using Tensor enlarged = nn.functional.upsample_nearest2d(input, [size.Height, size.Width]);
        return part?.Convolve(_conv, enlarged) ?? _conv.forward(enlarged);
    }

    /// <summary>The same with the smoother enlargement of HiDiffusion's first release (HiDiffusion specification 2.3).</summary>
    internal Tensor ForwardSmoothly(Tensor input, MapSize size)
    {
        using Tensor enlarged = MapResizing.EnlargeSmoothly(input, size), map = enlarged.ForConvolution();
        return _conv.forward(map);
    }
}
