using Mural.Autoencoders;
using static TorchSharp.torch;

namespace Mural.Cli.Bench;

/// <summary>Stable Diffusion's decoder from latents to pictures, with random weights.</summary>
internal static class VaeBench
{
    private const int LatentSide = 64;

    internal static Benchmark Create() => new("vae", "Stable Diffusion's decoder.", () =>
    [
        new BenchRow
        {
            Name = "decode-512",
            About = "a latent 4x64x64 to 512x512 pixels, random weights, bf16",
            Operations = 2.515e12,
            Prepare = kernels =>
            {
                using var gradients = no_grad();
                using Generator generator = new(1, CPU);
                var autoencoder = new AutoencoderKL(new AutoencoderConfig(), ScalarType.BFloat16);
                autoencoder.PrepareForInference(kernels, ScalarType.BFloat16);
                Tensor latent = randn([1, 4, LatentSide, LatentSide], generator: generator).to(ScalarType.BFloat16);
                return new BenchWork(
                    () =>
                    {
                        using var inference = inference_mode();
                        autoencoder.Decode(latent).Dispose();
                    },
                    new Held(autoencoder, latent));
            },
        },
    ]);
}
