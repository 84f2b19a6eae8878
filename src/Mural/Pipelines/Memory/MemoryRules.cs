using Mural.Runtime;
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

    /// <summary>Share of the free memory that is taken before maps go to the disk.</summary>
    private const double ShareOfFree = 0.6;

    /// <summary>Activations below this are worth having both halves of guidance in one call.</summary>
    internal const long BatchedActivations = 1_000_000_000;

    /// <summary>Bytes of a UNet's activations for latents of that size.</summary>
    internal static double ActivationBytes(UNetConfig config, long height, long width, long batch, ScalarType type) =>
        (double)UNetMaps * config.BlockOutChannels[0] * height * width * batch * type.ElementSize();

    /// <summary>How an autoencoder runs where the size alone decides.</summary>
    /// <param name="whole">Bytes of a run on whole maps.</param>
    /// <param name="strips">Bytes of one in strips.</param>
    /// <param name="allowed">Bytes that it may take before it runs in strips.</param>
    /// <param name="device">Where it runs: maps go to the disk on the CPU only.</param>
    internal static MemoryMode AutoencoderMode(double whole, double strips, double allowed, DeviceType device)
    {
        if (whole <= allowed) return MemoryMode.Whole;
        bool spills = device == DeviceType.CPU && strips > Math.Max(allowed, ShareOfFree * (SystemMemory.Read().Available ?? long.MaxValue));
        return spills ? MemoryMode.Disk : MemoryMode.Strips;
    }
}
