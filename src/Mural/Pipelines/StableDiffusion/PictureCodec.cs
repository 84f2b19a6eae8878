using System.Text.Json.Nodes;
using Mural.Autoencoders;
using Mural.Checkpoints;
using Mural.Checkpoints.SingleFile;
using Mural.Imaging;
using Mural.Layers.Strips;
using Mural.Runtime;
using TorchSharp;
using static TorchSharp.torch;

namespace Mural.Pipelines;

/// <summary>Pictures to the latents that a denoiser works on, and back, by an autoencoder that is ready for inference.</summary>
internal abstract class PictureCodec : IDisposable
{
    /// <summary>Pixels for each position of the latent, along one side.</summary>
    internal abstract int Downscale { get; }

    internal abstract int LatentChannels { get; }

    /// <summary>Latents of one picture for a batch; float32. Shape: <c>[1, 3, H, W]</c> to <c>[B, C, H / 8, W / 8]</c>.</summary>
    /// <param name="picture">Values from -1 to 1.</param>
    /// <param name="noise">Drawn from once where the autoencoder gives a distribution.</param>
    /// <param name="batch">B.</param>
    internal abstract Tensor Encode(Tensor picture, INoise noise, int batch);

    /// <summary>Draws the numbers that encoding would, for a picture whose latents nobody needs.</summary>
    internal abstract void DrawForEncoding(INoise noise, long[] shape);

    /// <summary>The pictures of latents, about -1 to 1 and not clamped. Shape: <c>[B, C, h, w]</c> to <c>[B, 3, 8 h, 8 w]</c>.</summary>
    internal abstract Tensor Decode(Tensor latents);

    /// <summary>The latent of one picture in a file; float32. Shape: <c>[1, C, H / 8, W / 8]</c>.</summary>
    internal virtual Tensor Encode(RgbFile picture, INoise noise, CancellationToken cancellation)
    {
        using DisposeScope scope = NewDisposeScope();
        return Encode(PictureTensors.FromPicture(picture.Read(0, picture.Height)), noise, 1).MoveToOuterDisposeScope();
    }

    /// <summary>Decodes one latent into a picture's file.</summary>
    internal virtual void Decode(Tensor latent, RgbFile picture, CancellationToken cancellation)
    {
        using DisposeScope scope = NewDisposeScope();
        picture.Write(0, PictureTensors.ToPictures(Decode(latent))[0]);
    }

    /// <summary>How it runs where it shall take little memory whatever the size; null where the size decides.</summary>
    internal StripOptions? LowMemory { get; set; }

    /// <summary>Where its maps lie that the size alone sends to the disk.</summary>
    internal string Folder { get; set; } = Path.GetTempPath();

    /// <summary>What decoding and encoding take for a picture of that size, in a mode that was asked for; whatever the run before this one was told.</summary>
    internal abstract CodecEstimate Estimate(long height, long width, MemoryMode mode);

    public abstract void Dispose();

    /// <summary>Opens an autoencoder of either kind.</summary>
    /// <param name="path">A folder as diffusers keeps it, or a file.</param>
    /// <param name="family">The family of models that it is for.</param>
    /// <param name="runtime">On what it runs.</param>
    /// <param name="options">The variant of its weights, and the bytes that decoding may take before it is done in strips.</param>
    /// <exception cref="MuralException">There is no autoencoder, or its weights do not fit.</exception>
    internal static PictureCodec Load(string path, ModelFamily family, RuntimePlan runtime, StableDiffusionOptions options)
    {
        (AutoencoderKL? full, AutoencoderTiny? tiny) = File.Exists(path) ? AutoencoderFile.Open(path, family, runtime)
            : IsTiny(Path.Combine(path, ModelFolder.ConfigName)) ? (null, AutoencoderTiny.FromFolder(path, runtime.Type, options.Variant, runtime.Device))
            : (AutoencoderKL.FromFolder(path, runtime.TypeFor(AutoencoderConfig.Read(path)), options.Variant, runtime.Device), null);
        return tiny is not null ? new TinyCodec(tiny, runtime) : new FullCodec(full!, runtime, options.DecodeMemory);
    }

    // Whatever else is wrong with the file is said by whoever reads it.
    private static bool IsTiny(string config)
    {
        if (!File.Exists(config)) return false;
        try
        {
            return JsonNode.Parse(File.ReadAllText(config))?["_class_name"]?.ToString() == nameof(AutoencoderTiny);
        }
        catch (Exception error) when (error is System.Text.Json.JsonException or InvalidOperationException or ArgumentException or IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }
}

/// <summary>The autoencoder of Stable Diffusion.</summary>
internal sealed class FullCodec : PictureCodec
{
    private readonly AutoencoderKL _autoencoder;
    private readonly ScalarType _type;
    private readonly Device _device;
    private readonly long _decodeMemory;

    /// <param name="autoencoder">An autoencoder on the runtime's device, which belongs to the result.</param>
    /// <param name="runtime">On what it runs.</param>
    /// <param name="decodeMemory">Bytes that decoding may take before it is done in strips.</param>
    internal FullCodec(AutoencoderKL autoencoder, RuntimePlan runtime, long decodeMemory)
    {
        _autoencoder = autoencoder;
        _type = runtime.TypeFor(autoencoder.Config);
        _device = runtime.Device;
        _decodeMemory = decodeMemory;
        autoencoder.PrepareForInference(runtime.Kernels, _type);
    }

    internal override int Downscale => _autoencoder.Config.Downscale;

    internal override int LatentChannels => _autoencoder.Config.LatentChannels;

    /// <summary>Tiles of diffusers' kind that are used whatever the size, for comparison; null for none.</summary>
    internal TileOptions? Tiles { get; set; }

    internal override Tensor Encode(Tensor picture, INoise noise, int batch)
    {
        using DisposeScope scope = NewDisposeScope();
        long height = picture.shape[2], width = picture.shape[3];
        Tensor pixels = picture.to(_device);
        return (Strips(height, width) is { } strips && picture.shape[0] == 1
            ? Sampled(EncodeStrips(height, width, (first, count) => pixels.narrow(2, first, count), strips), noise, batch)
            : Sampled(_autoencoder.Encode(pixels.to(_type), Tiles), noise, batch)).MoveToOuterDisposeScope();
    }

    internal override Tensor Encode(RgbFile picture, INoise noise, CancellationToken cancellation)
    {
        if (Strips(picture.Height, picture.Width) is not { } strips) return base.Encode(picture, noise, cancellation);
        using DisposeScope scope = NewDisposeScope();
        Tensor Rows(long first, long count) => PictureTensors.FromPicture(picture.Read((int)first, (int)count), _device);
        return Sampled(EncodeStrips(picture.Height, picture.Width, Rows, strips with { Cancellation = cancellation }), noise, 1).MoveToOuterDisposeScope();
    }

    /// <summary>A latent as the autoencoder gave it, without what a denoiser needs.</summary>
    internal Tensor Unscaled(Tensor latent) => _autoencoder.UnscaleLatent(latent);

    internal override void DrawForEncoding(INoise noise, long[] shape) => noise.Draw(shape).Dispose();

    internal override Tensor Decode(Tensor latents)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor unscaled = _autoencoder.UnscaleLatent(latents);
        if (Strips(latents.shape[2] * Downscale, latents.shape[3] * Downscale) is not { } strips) return _autoencoder.Decode(unscaled.to(_type), Tiles).MoveToOuterDisposeScope();
        var pictures = new List<Tensor>();
        for (long i = 0; i < latents.shape[0]; i++)
        {
            Tensor picture = empty([1, _autoencoder.Config.OutChannels, latents.shape[2] * Downscale, latents.shape[3] * Downscale], _type, _device);
            _autoencoder.DecodeStrips(unscaled.narrow(0, i, 1).to(StripType), (first, rows) => picture.narrow(2, first, rows.shape[2]).copy_(rows), strips);
            pictures.Add(picture);
        }
        return cat(pictures).MoveToOuterDisposeScope();
    }

    internal override void Decode(Tensor latent, RgbFile picture, CancellationToken cancellation)
    {
        if (Strips(picture.Height, picture.Width) is not { } strips)
        {
            base.Decode(latent, picture, cancellation);
            return;
        }
        using DisposeScope scope = NewDisposeScope();
        void Take(long first, Tensor rows) => picture.Write((int)first, PictureTensors.ToPictures(rows)[0]);
        _autoencoder.DecodeStrips(_autoencoder.UnscaleLatent(latent).to(StripType), Take, strips with { Cancellation = cancellation });
    }

    public override void Dispose() => _autoencoder.Dispose();

    private Tensor Sampled(DiagonalGaussian moments, INoise noise, int batch)
    {
        using DiagonalGaussian posterior = moments;
        Tensor sample = posterior.Sample(noise.Draw([batch, .. posterior.Mean.shape[1..]]));
        return _autoencoder.ScaleLatent(sample).to(ScalarType.Float32);
    }

    private DiagonalGaussian EncodeStrips(long height, long width, Func<long, long, Tensor> rows, StripOptions strips) =>
        new(_autoencoder.EncodeStrips(height, width, rows, StripType, _device, strips));

    // What overflows in float16 cannot be run again as a whole.
    private ScalarType StripType => _type == ScalarType.Float16 ? ScalarType.Float32 : _type;

    internal override CodecEstimate Estimate(long height, long width, MemoryMode mode)
    {
        if (mode == MemoryMode.Whole) mode = ModeOf(height, width);
        (LiveBytes encode, LiveBytes decode) = Work(height, width, mode);
        if (mode != MemoryMode.Disk) return new CodecEstimate(encode, decode);
        // On the disk lies what would be in memory.
        (LiveBytes encodeMaps, LiveBytes decodeMaps) = Work(height, width, MemoryMode.Strips);
        return new CodecEstimate(encode, decode, encodeMaps.Peak, decodeMaps.Peak);
    }

    private (LiveBytes Encode, LiveBytes Decode) Work(long height, long width, MemoryMode mode)
    {
        int bytes = (int)(mode == MemoryMode.Whole ? _type : StripType).ElementSize();
        var estimate = new AutoencoderEstimate(_autoencoder.Config, mode);
        long strip = new StripOptions().StripBytes;
        return (estimate.Encode(height, width, bytes, strip), estimate.Decode(height, width, bytes, strip));
    }

    /// <summary>How pictures of that size are encoded and decoded in the run that goes on: null for whole.</summary>
    internal StripOptions? Strips(long height, long width) => Tiles is not null ? null : LowMemory ?? ModeOf(height, width) switch
    {
        MemoryMode.Whole => null,
        MemoryMode.Strips => new StripOptions(),
        _ => new StripOptions { Folder = Folder },
    };

    // What the size alone asks for.
    private MemoryMode ModeOf(long height, long width) =>
        MemoryRules.AutoencoderMode(Work(height, width, MemoryMode.Whole).Decode.Peak, Work(height, width, MemoryMode.Strips).Decode.Peak, _decodeMemory, _device.type);
}

/// <summary>TAESD, whose latents are scaled already and certain.</summary>
internal sealed class TinyCodec : PictureCodec
{
    private readonly AutoencoderTiny _autoencoder;
    private readonly ScalarType _type;
    private readonly Device _device;

    internal TinyCodec(AutoencoderTiny autoencoder, RuntimePlan runtime)
    {
        _autoencoder = autoencoder;
        _type = runtime.Type;
        _device = runtime.Device;
        autoencoder.PrepareForInference(runtime.Kernels, _type);
    }

    internal override int Downscale => _autoencoder.Config.Downscale;

    internal override int LatentChannels => _autoencoder.Config.LatentChannels;

    internal override Tensor Encode(Tensor picture, INoise noise, int batch)
    {
        using DisposeScope scope = NewDisposeScope();
        return _autoencoder.Encode(picture.to(_device).to(_type)).to(ScalarType.Float32).expand(batch, -1, -1, -1).MoveToOuterDisposeScope();
    }

    internal override CodecEstimate Estimate(long height, long width, MemoryMode mode)
    {
        // Three maps of its width at the picture's size.
        int channels = Math.Max(_autoencoder.Config.EncoderChannels, _autoencoder.Config.DecoderChannels);
        var live = new LiveBytes();
        live.Need(3.0 * channels * height * width * _type.ElementSize());
        live.Multiply(9.0 * 4 * channels * channels * height * width);
        return new CodecEstimate(live, live);
    }

    internal override void DrawForEncoding(INoise noise, long[] shape)
    {
        // Nothing is drawn for certain latents.
    }

    internal override Tensor Decode(Tensor latents)
    {
        using DisposeScope scope = NewDisposeScope();
        return _autoencoder.Decode(latents.to(_type)).MoveToOuterDisposeScope();
    }

    public override void Dispose() => _autoencoder.Dispose();
}
