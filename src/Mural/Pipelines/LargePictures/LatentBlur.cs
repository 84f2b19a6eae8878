using TorchSharp;
using static TorchSharp.torch;

namespace Mural.Pipelines;

/// <summary>A Gaussian filter over each channel, with zeros around the map (LinFusion specification 5.2).</summary>
internal static class LatentBlur
{
    /// <summary>The filtered map: across, then down, which together are the square kernel.</summary>
    /// <param name="map">Shape: `[B, C, H, W]`.</param>
    /// <param name="side">Side of the kernel, odd.</param>
    /// <param name="sigma">Standard deviation in positions.</param>
    internal static Tensor Apply(Tensor map, int side, double sigma)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor distance = arange(side, dtype: ScalarType.Float32) - (side - 1) / 2.0;
        Tensor bell = (distance.square() / (-2 * sigma * sigma)).exp();
        Tensor taps = (bell / bell.sum()).to(map.dtype).to(map.device);
        long channels = map.shape[1], reach = side / 2;
        Tensor across = nn.functional.conv2d(map, taps.view(1, 1, 1, side).expand(channels, 1, 1, side), padding: [0, reach], groups: channels);
        return nn.functional.conv2d(across, taps.view(1, 1, side, 1).expand(channels, 1, side, 1), padding: [reach, 0], groups: channels).MoveToOuterDisposeScope();
    }
}
