using Mural.Attention;
using TorchSharp;
using static TorchSharp.torch;

namespace Mural.HiDiffusion;

/// <summary>RAU-Net's resampling of feature maps <c>[B, C, H, W]</c> (HiDiffusion specification 2.2 to 2.4); the UNet's blocks ask <see cref="HiDiffusionStep"/> when.</summary>
internal static class MapResizing
{
    /// <summary>
    /// Every other row and column: what a convolution of stride 2 makes of them is what the same weights at twice the stride, dilation and padding make of the whole map.
    /// </summary>
    internal static Tensor EveryOther(Tensor map)
    {
        using Tensor rows = map.slice(2, 0, map.shape[2], 2);
        return rows.slice(3, 0, map.shape[3], 2);
    }

    /// <summary>Means over 2x2 positions, at odd ends over those that there are.</summary>
    internal static Tensor Halve(Tensor map) => nn.functional.avg_pool2d(map, [2, 2], [2, 2], ceil_mode: true);

    /// <summary>Bicubic interpolation between the centres of positions, in float32 or wider; an alias where the size is right already.</summary>
    internal static Tensor Bicubic(Tensor map, MapSize size)
    {
        if (MapSize.Of(map) == size) return map.alias();
        using DisposeScope scope = NewDisposeScope();
        Tensor wide = map.dtype == ScalarType.Float64 ? map : map.to(ScalarType.Float32);
        return nn.functional.interpolate(wide, [size.Height, size.Width], mode: InterpolationMode.Bicubic, align_corners: false).to(map.dtype).MoveToOuterDisposeScope();
    }

    /// <summary>The step up of the first release: nearest neighbours to half the size, then bicubic.</summary>
    internal static Tensor EnlargeSmoothly(Tensor map, MapSize size)
    {
        using Tensor half = nn.functional.upsample_nearest2d(map, [(size.Height + 1) / 2, (size.Width + 1) / 2]);
        return Bicubic(half, size);
    }
}
