using Mural.Autoencoders;
using Mural.Layers.Strips;
using Mural.Runtime;
using static TorchSharp.torch;

namespace Mural.Pipelines;

/// <summary>The autoencoder of Stable Diffusion.</summary>
internal sealed class FullCodec : PictureCodec
{
    private readonly AutoencoderKL _autoencoder;

    /// <param name="autoencoder">An autoencoder on the runtime's device, which belongs to the result.</param>
    /// <param name="runtime">On what it runs.</param>
    /// <param name="decodeMemory">Bytes that decoding may take before it is done in strips.</param>
    internal FullCodec(AutoencoderKL autoencoder, RuntimePlan runtime, long decodeMemory)
        : base(runtime.Device, runtime.TypeFor(autoencoder.Config), InStrips(runtime.TypeFor(autoencoder.Config)), decodeMemory)
    {
        _autoencoder = autoencoder;
        autoencoder.PrepareForInference(runtime.Kernels, Type);
    }

    internal override int Downscale => _autoencoder.Config.Downscale;

    internal override int LatentChannels => _autoencoder.Config.LatentChannels;

    private protected override int OutChannels => _autoencoder.Config.OutChannels;

    /// <summary>Tiles of diffusers' kind that are used whatever the size, for comparison; null for none.</summary>
    internal TileOptions? Tiles { get; set; }

    internal override StripOptions? Strips(long height, long width) => Tiles is null ? base.Strips(height, width) : null;

    /// <summary>A latent as the autoencoder gave it, without what a denoiser needs.</summary>
    internal Tensor Unscaled(Tensor latent) => _autoencoder.UnscaleLatent(latent);

    internal override void DrawForEncoding(INoise noise, long[] shape) => noise.Draw(shape).Dispose();

    public override void Dispose() => _autoencoder.Dispose();

    private protected override Tensor EncodeWhole(Tensor picture, INoise noise, int batch) => Sampled(_autoencoder.Encode(picture, Tiles), noise, batch);

    private protected override Tensor EncodeStrips(long height, long width, Func<long, long, Tensor> rows, StripOptions strips, INoise noise, int batch) =>
        Sampled(new DiagonalGaussian(_autoencoder.EncodeStrips(height, width, rows, StripType, Device, strips)), noise, batch);

    private protected override Tensor DecodeWhole(Tensor latents) => _autoencoder.Decode(Unscaled(latents).to(Type), Tiles);

    private protected override void DecodeStrips(Tensor latent, Action<long, Tensor> take, StripOptions strips) =>
        _autoencoder.DecodeStrips(Unscaled(latent).to(StripType), take, strips);

    private protected override (LiveBytes Encode, LiveBytes Decode) Work(long height, long width, MemoryMode mode, int elementBytes, long stripBytes)
    {
        var estimate = new AutoencoderEstimate(_autoencoder.Config, mode);
        return (estimate.Encode(height, width, elementBytes, stripBytes), estimate.Decode(height, width, elementBytes, stripBytes));
    }

    private Tensor Sampled(DiagonalGaussian moments, INoise noise, int batch)
    {
        using DiagonalGaussian posterior = moments;
        Tensor sample = posterior.Sample(noise.Draw([batch, .. posterior.Mean.shape[1..]]));
        return _autoencoder.ScaleLatent(sample).to(ScalarType.Float32);
    }

    // What overflows in float16 cannot be run again as a whole.
    private static ScalarType InStrips(ScalarType type) => type == ScalarType.Float16 ? ScalarType.Float32 : type;
}
