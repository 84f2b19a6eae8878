using Mural.Autoencoders;
using Mural.Layers.Strips;
using Mural.Runtime;
using static TorchSharp.torch;

namespace Mural.Pipelines;

/// <summary>TAESD, whose latents are scaled already and certain.</summary>
internal sealed class TinyCodec : PictureCodec
{
    private readonly AutoencoderTiny _autoencoder;

    /// <inheritdoc cref="FullCodec(AutoencoderKL, RuntimePlan, long)"/>
    internal TinyCodec(AutoencoderTiny autoencoder, RuntimePlan runtime, long decodeMemory) : base(runtime.Device, runtime.Type, runtime.Type, decodeMemory)
    {
        _autoencoder = autoencoder;
        autoencoder.PrepareForInference(runtime.Kernels, Type);
    }

    internal override int Downscale => _autoencoder.Config.Downscale;

    internal override int LatentChannels => _autoencoder.Config.LatentChannels;

    private protected override int OutChannels => _autoencoder.Config.OutChannels;

    internal override void DrawForEncoding(INoise noise, long[] shape)
    {
        // Nothing is drawn for certain latents.
    }

    public override void Dispose() => _autoencoder.Dispose();

    private protected override Tensor EncodeWhole(Tensor picture, INoise noise, int batch) => OfBatch(_autoencoder.Encode(picture), batch);

    private protected override Tensor EncodeStrips(long height, long width, Func<long, long, Tensor> rows, StripOptions strips, INoise noise, int batch) =>
        OfBatch(_autoencoder.EncodeStrips(height, width, rows, Type, Device, strips), batch);

    private protected override Tensor DecodeWhole(Tensor latents) => _autoencoder.Decode(latents.to(Type));

    private protected override void DecodeStrips(Tensor latent, Action<long, Tensor> take, StripOptions strips) => _autoencoder.DecodeStrips(latent.to(Type), take, strips);

    private protected override (LiveBytes Encode, LiveBytes Decode) Work(long height, long width, MemoryMode mode, int elementBytes, long stripBytes)
    {
        var estimate = new TinyAutoencoderEstimate(_autoencoder.Config, mode);
        return (estimate.Encode(height, width, elementBytes, stripBytes), estimate.Decode(height, width, elementBytes, stripBytes));
    }

    private static Tensor OfBatch(Tensor latent, int batch) => latent.to(ScalarType.Float32).expand(batch, -1, -1, -1);
}
