using TorchSharp;
using static TorchSharp.torch;

namespace Mural.Kernels;

/// <summary>Sizes of a group norm over pictures whose pixels' channels lie together, and how its kernel cuts them.</summary>
/// <param name="Images">Pictures in the batch; each is normalised by itself.</param>
/// <param name="Pixels">Positions of a picture.</param>
/// <param name="Channels">Channels of a position.</param>
/// <param name="Groups">Groups of neighbouring channels.</param>
/// <param name="BFloat16">Whether numbers are bfloat16 in memory, else float32.</param>
/// <param name="Silu">Whether SiLU follows.</param>
/// <param name="Epsilon">Added to the variance.</param>
internal sealed record GroupNormProblem(int Images, int Pixels, int Channels, int Groups, bool BFloat16, bool Silu, double Epsilon)
{
    // A chunk is read twice in a row, from the cache of one core; a block of pictures up to three times, from the cache that cores share.
    private const int ChunkBytes = 64 << 10, BlockBytes = 4 << 20;

    private int PixelBytes => Channels * (BFloat16 ? sizeof(ushort) : sizeof(float));

    internal int GroupChannels => Channels / Groups;

    /// <summary>Numbers that share a mean.</summary>
    internal long GroupSize => (long)Pixels * GroupChannels;

    /// <summary>Bytes of one picture.</summary>
    internal long ImageBytes => (long)Pixels * PixelBytes;

    /// <summary>Positions that one item of work covers; the last of a picture may have fewer. It never depends on the number of threads, so results do not.</summary>
    internal int ChunkPixels => Math.Clamp(ChunkBytes / PixelBytes, 1, Pixels);

    /// <summary>Items of work in a picture.</summary>
    internal int Chunks => (Pixels + ChunkPixels - 1) / ChunkPixels;

    /// <summary>Pictures handled from first to last pass before the next ones.</summary>
    internal int BlockImages => (int)Math.Clamp(BlockBytes / ImageBytes, 1, Images);

    internal int PixelsOf(int chunk) => Math.Min(ChunkPixels, Pixels - chunk * ChunkPixels);

    internal long OffsetOf(int image, int chunk) => image * ImageBytes + (long)chunk * ChunkPixels * PixelBytes;

    /// <summary>Whether the kernel takes such an input, <c>[B, C, H, W]</c>.</summary>
    internal static bool Serves(Tensor input) =>
        input.device_type == DeviceType.CPU && input.dtype is ScalarType.Float32 or ScalarType.BFloat16 && input.dim() == 4 && input.numel() > 0;

    /// <param name="pixels">Shape: <c>[B, H, W, C]</c>.</param>
    /// <param name="groups">Groups.</param>
    /// <param name="epsilon">Added to the variance.</param>
    /// <param name="silu">Whether SiLU follows.</param>
    internal static GroupNormProblem Of(Tensor pixels, long groups, double epsilon, bool silu) =>
        new((int)pixels.shape[0], checked((int)(pixels.shape[1] * pixels.shape[2])), (int)pixels.shape[3], (int)groups, pixels.dtype == ScalarType.BFloat16, silu, epsilon);
}
