using Mural.Samplers;
using Mural.UNet;

namespace Mural.Pipelines;

/// <summary>A denoiser whose network has its convolutions dilated while it runs.</summary>
internal static class DilatedNetwork
{
    /// <summary>The same denoiser, with the taps of the network's convolutions spread by a factor.</summary>
    internal static LatentDenoiser Dilated(this UNet2DConditionModel unet, LatentDenoiser denoiser, int factor) => (input, call) =>
    {
        using IDisposable dilated = unet.Dilate(factor);
        return denoiser(input, call);
    };
}
