using Mural.Autoencoders;
using Mural.Pipelines;
using Mural.Runtime;
using static TorchSharp.torch;

namespace Mural.Cli.Bench;

/// <summary>Stable Diffusion's decoder from latents to pictures, with random weights.</summary>
internal static class VaeBench
{
    private const int LatentSide = 64, PictureSide = 512;

    internal static Benchmark Create() => new("vae", "Stable Diffusion's decoder.", () => [Row("decode-512", Precision.BFloat16), Row("decode-512-f32", Precision.Float32)]);

    private static BenchRow Row(string name, Precision precision) => new()
    {
        Name = name,
        About = $"a latent 4x{LatentSide}x{LatentSide} to {PictureSide}x{PictureSide} pixels, random weights, {precision.ShortName()}",
        Type = precision.ToScalarType(),
        // Bytes have no part in it.
        Operations = 2 * new AutoencoderEstimate(new AutoencoderConfig(), MemoryMode.Whole).Decode(PictureSide, PictureSide, elementBytes: 1, stripBytes: 0).MultiplyAdds,
        Prepare = kernels =>
        {
            using var gradients = no_grad();
            using Generator generator = new(1, CPU);
            ScalarType type = precision.ToScalarType();
            var autoencoder = new AutoencoderKL(new AutoencoderConfig(), type);
            autoencoder.PrepareForInference(kernels, type);
            Tensor latent = randn([1, 4, LatentSide, LatentSide], generator: generator).to(type);
            return new BenchWork(
                () =>
                {
                    using var inference = inference_mode();
                    autoencoder.Decode(latent).Dispose();
                },
                new Held(autoencoder, latent));
        },
    };
}
