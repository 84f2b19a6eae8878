using Mural.Imaging;
using Mural.Layers.Strips;
using TorchSharp;
using static TorchSharp.torch;

namespace Mural.Pipelines;

/// <summary>Pictures to the latents that a denoiser works on, and back, by an autoencoder that is ready for inference: whole, or in strips where the size asks for it.</summary>
/// <param name="device">Where it runs.</param>
/// <param name="type">Type of the computation on whole maps.</param>
/// <param name="stripType">Type of that in strips.</param>
/// <param name="decodeMemory">Bytes that decoding may take before it is done in strips.</param>
internal abstract class PictureCodec(Device device, ScalarType type, ScalarType stripType, long decodeMemory) : IDisposable
{
    /// <summary>Pixels for each position of the latent, along one side.</summary>
    internal abstract int Downscale { get; }

    internal abstract int LatentChannels { get; }

    private protected abstract int OutChannels { get; }

    private protected Device Device => device;

    private protected ScalarType Type => type;

    private protected ScalarType StripType => stripType;

    /// <summary>How it runs where it shall take little memory whatever the size; null where the size decides.</summary>
    internal StripOptions? LowMemory { get; set; }

    /// <summary>Where its maps lie that the size alone sends to the disk.</summary>
    internal string Folder { get; set; } = Path.GetTempPath();

    /// <summary>Latents of one picture for a batch; float32. Shape: <c>[1, 3, H, W]</c> to <c>[B, C, H / 8, W / 8]</c>.</summary>
    /// <param name="picture">Values from -1 to 1.</param>
    /// <param name="noise">Drawn from once where the autoencoder gives a distribution.</param>
    /// <param name="batch">B.</param>
    internal Tensor Encode(Tensor picture, INoise noise, int batch)
    {
        using DisposeScope scope = NewDisposeScope();
        long height = picture.shape[2], width = picture.shape[3];
        Tensor pixels = picture.to(device);
        return (Strips(height, width) is { } strips && picture.shape[0] == 1
            ? EncodeStrips(height, width, (first, count) => pixels.narrow(2, first, count), strips, noise, batch)
            : EncodeWhole(pixels.to(type), noise, batch)).MoveToOuterDisposeScope();
    }

    /// <summary>The latent of one picture in a file; float32. Shape: <c>[1, C, H / 8, W / 8]</c>.</summary>
    internal Tensor Encode(RgbFile picture, INoise noise, CancellationToken cancellation)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor Rows(long first, long count) => PictureTensors.FromPicture(picture.Read((int)first, (int)count), device);
        return (Strips(picture.Height, picture.Width) is { } strips
            ? EncodeStrips(picture.Height, picture.Width, Rows, strips with { Cancellation = cancellation }, noise, 1)
            : EncodeWhole(Rows(0, picture.Height).to(type), noise, 1)).MoveToOuterDisposeScope();
    }

    /// <summary>Draws the numbers that encoding would, for a picture whose latents nobody needs.</summary>
    internal abstract void DrawForEncoding(INoise noise, long[] shape);

    /// <summary>The pictures of latents, about -1 to 1 and not clamped. Shape: <c>[B, C, h, w]</c> to <c>[B, 3, 8 h, 8 w]</c>.</summary>
    internal Tensor Decode(Tensor latents)
    {
        using DisposeScope scope = NewDisposeScope();
        long height = latents.shape[2] * Downscale, width = latents.shape[3] * Downscale;
        if (Strips(height, width) is not { } strips) return DecodeWhole(latents).MoveToOuterDisposeScope();
        Tensor pictures = empty([latents.shape[0], OutChannels, height, width], type, device);
        for (long i = 0; i < latents.shape[0]; i++)
        {
            Tensor picture = pictures.narrow(0, i, 1);
            DecodeStrips(latents.narrow(0, i, 1), (first, rows) => picture.narrow(2, first, rows.shape[2]).copy_(rows), strips);
        }
        return pictures.MoveToOuterDisposeScope();
    }

    /// <summary>Decodes one latent into a picture's file.</summary>
    internal void Decode(Tensor latent, RgbFile picture, CancellationToken cancellation)
    {
        using DisposeScope scope = NewDisposeScope();
        void Take(long first, Tensor rows) => picture.Write((int)first, PictureTensors.ToPictures(rows)[0]);
        if (Strips(picture.Height, picture.Width) is { } strips) DecodeStrips(latent, Take, strips with { Cancellation = cancellation });
        else Take(0, DecodeWhole(latent));
    }

    private protected abstract Tensor EncodeWhole(Tensor picture, INoise noise, int batch);

    private protected abstract Tensor EncodeStrips(long height, long width, Func<long, long, Tensor> rows, StripOptions strips, INoise noise, int batch);

    private protected abstract Tensor DecodeWhole(Tensor latents);

    private protected abstract void DecodeStrips(Tensor latent, Action<long, Tensor> take, StripOptions strips);

    /// <summary>What decoding and encoding take for a picture of that size, in a mode that was asked for; whatever the run before this one was told.</summary>
    internal CodecEstimate Estimate(long height, long width, MemoryMode mode)
    {
        if (mode == MemoryMode.Whole) mode = ModeOf(height, width);
        (LiveBytes encode, LiveBytes decode) = Work(height, width, mode);
        if (mode != MemoryMode.Disk) return new CodecEstimate(mode, encode, decode);
        // On the disk lies what would be in memory.
        (LiveBytes encodeMaps, LiveBytes decodeMaps) = Work(height, width, MemoryMode.Strips);
        return new CodecEstimate(mode, encode, decode, encodeMaps.Peak, decodeMaps.Peak);
    }

    /// <summary>What encoding and decoding take in a mode.</summary>
    private protected abstract (LiveBytes Encode, LiveBytes Decode) Work(long height, long width, MemoryMode mode, int elementBytes, long stripBytes);

    /// <summary>How pictures of that size are encoded and decoded in the run that goes on: null for whole.</summary>
    internal virtual StripOptions? Strips(long height, long width) => LowMemory ?? ModeOf(height, width) switch
    {
        MemoryMode.Whole => null,
        MemoryMode.Strips => new StripOptions(),
        _ => new StripOptions { Folder = Folder },
    };

    private (LiveBytes Encode, LiveBytes Decode) Work(long height, long width, MemoryMode mode) =>
        Work(height, width, mode, (int)(mode == MemoryMode.Whole ? type : stripType).ElementSize(), new StripOptions().StripBytes);

    // What the size alone asks for.
    private MemoryMode ModeOf(long height, long width) =>
        MemoryRules.AutoencoderMode(Work(height, width, MemoryMode.Whole).Decode.Peak, Work(height, width, MemoryMode.Strips).Decode.Peak, decodeMemory, device.type);

    public abstract void Dispose();
}
