using Mural.Autoencoders;
using Mural.UNet;
using TorchSharp;
using static TorchSharp.torch;

namespace Mural.Pipelines;

/// <summary>
/// What a run takes beside the weights, estimated from the sizes of the largest tensors that are alive together (Stable Diffusion specification 10.4). Attention is
/// computed in blocks and adds nothing.
/// </summary>
internal static class MemoryRules
{
    // Maps of the first level's size that are alive at once at the widest point: all skips (about 5), the joined input of the last residual block (3), and a
    // feed-forward's 8-fold layer with its halves.
    private const int UNetMaps = 20;

    // The widest full-size map with its normalised copy, and the map that is made of both.
    private const double DecoderMaps = 3.5;

    /// <summary>Share of the free memory that is taken before maps go to the disk.</summary>
    internal const double ShareOfFree = 0.6;

    /// <summary>Activations below this are worth having both halves of guidance in one call.</summary>
    internal const long BatchedActivations = 1_000_000_000;

    /// <summary>Bytes of a UNet's activations for latents of that size.</summary>
    internal static double ActivationBytes(UNetConfig config, long height, long width, long batch, ScalarType type) =>
        (double)UNetMaps * config.BlockOutChannels[0] * height * width * batch * type.ElementSize();

    /// <summary>Bytes of a decoder's activations for a picture of that size in pixels.</summary>
    internal static double DecodeBytes(AutoencoderConfig config, long height, long width, ScalarType type) =>
        DecoderMaps * config.BlockOutChannels[Math.Min(1, config.BlockOutChannels.Count - 1)] * height * width * type.ElementSize();

    /// <summary>Bytes of the maps that an autoencoder holds at once where it runs in strips: at each level the map below, the result and what is between.</summary>
    internal static double StripBytes(AutoencoderConfig config, long height, long width, ScalarType type)
    {
        IReadOnlyList<int> channels = config.BlockOutChannels;
        double most = channels.Select((own, level) => (2.0 * own + (level + 1 < channels.Count ? channels[level + 1] / 4.0 : 0)) / Math.Pow(4, level)).Max();
        return most * height * width * type.ElementSize();
    }
}
