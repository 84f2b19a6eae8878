using System.Text.Json.Nodes;
using Mural.Autoencoders;
using Mural.Checkpoints.SingleFile;
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

    public abstract void Dispose();

    /// <summary>Opens an autoencoder of either kind.</summary>
    /// <param name="path">A folder as diffusers keeps it, or a file.</param>
    /// <param name="family">The family of models that it is for.</param>
    /// <param name="runtime">On what it runs.</param>
    /// <param name="options">The variant of its weights, and the bytes that decoding may take before it is done in tiles.</param>
    /// <exception cref="MuralException">There is no autoencoder, or its weights do not fit.</exception>
    internal static PictureCodec Load(string path, ModelFamily family, RuntimePlan runtime, StableDiffusionOptions options)
    {
        (AutoencoderKL? full, AutoencoderTiny? tiny) = File.Exists(path) ? AutoencoderFile.Open(path, family, runtime)
            : IsTiny(Path.Combine(path, "config.json")) ? (null, AutoencoderTiny.FromFolder(path, runtime.Type, options.Variant, runtime.Device))
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
    private readonly long _decodeMemory;

    /// <param name="autoencoder">An autoencoder on the runtime's device, which belongs to the result.</param>
    /// <param name="runtime">On what it runs.</param>
    /// <param name="decodeMemory">Bytes that decoding may take before it is done in tiles.</param>
    internal FullCodec(AutoencoderKL autoencoder, RuntimePlan runtime, long decodeMemory)
    {
        _autoencoder = autoencoder;
        _type = runtime.TypeFor(autoencoder.Config);
        _decodeMemory = decodeMemory;
        autoencoder.PrepareForInference(runtime.Kernels, _type);
    }

    internal override int Downscale => _autoencoder.Config.Downscale;

    internal override int LatentChannels => _autoencoder.Config.LatentChannels;

    internal override Tensor Encode(Tensor picture, INoise noise, int batch)
    {
        using DisposeScope scope = NewDisposeScope();
        using DiagonalGaussian posterior = _autoencoder.Encode(picture.to(_type), Tiles(picture.shape[2], picture.shape[3]));
        Tensor sample = posterior.Sample(noise.Draw([batch, .. posterior.Mean.shape[1..]]));
        return _autoencoder.ScaleLatent(sample).to(ScalarType.Float32).MoveToOuterDisposeScope();
    }

    internal override void DrawForEncoding(INoise noise, long[] shape) => noise.Draw(shape).Dispose();

    internal override Tensor Decode(Tensor latents)
    {
        using DisposeScope scope = NewDisposeScope();
        TileOptions? tiles = Tiles(latents.shape[2] * Downscale, latents.shape[3] * Downscale);
        return _autoencoder.Decode(_autoencoder.UnscaleLatent(latents).to(_type), tiles).MoveToOuterDisposeScope();
    }

    public override void Dispose() => _autoencoder.Dispose();

    private TileOptions? Tiles(long height, long width) =>
        MemoryRules.DecodeBytes(_autoencoder.Config, height, width, _type) > _decodeMemory ? _autoencoder.Config.DefaultTiles : null;
}

/// <summary>TAESD, whose latents are scaled already and certain.</summary>
internal sealed class TinyCodec : PictureCodec
{
    private readonly AutoencoderTiny _autoencoder;
    private readonly ScalarType _type;

    internal TinyCodec(AutoencoderTiny autoencoder, RuntimePlan runtime)
    {
        _autoencoder = autoencoder;
        _type = runtime.Type;
        autoencoder.PrepareForInference(runtime.Kernels, _type);
    }

    internal override int Downscale => _autoencoder.Config.Downscale;

    internal override int LatentChannels => _autoencoder.Config.LatentChannels;

    internal override Tensor Encode(Tensor picture, INoise noise, int batch)
    {
        using DisposeScope scope = NewDisposeScope();
        return _autoencoder.Encode(picture.to(_type)).to(ScalarType.Float32).expand(batch, -1, -1, -1).MoveToOuterDisposeScope();
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
