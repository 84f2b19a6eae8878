using TorchSharp;
using static TorchSharp.torch;

namespace Mural.Layers;

/// <summary>The memory layout in which convolutions run on the CPU: the channels of one pixel lie together.</summary>
internal static class ChannelsLast
{
    /// <summary>
    /// The tensor <c>[B, C, H, W]</c> in the layout that its device convolves fastest in: channels-last on the CPU, unchanged elsewhere.
    /// Returns an alias where nothing has to move. Differentiable.
    /// </summary>
    internal static Tensor ForConvolution(this Tensor input)
    {
        if (input.device_type != DeviceType.CPU) return input.alias();
        using Tensor pixels = input.permute(0, 2, 3, 1);
        using Tensor packed = pixels.contiguous();
        return packed.permute(0, 3, 1, 2);
    }
}
