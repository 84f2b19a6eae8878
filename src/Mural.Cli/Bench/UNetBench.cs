using Mural.Runtime;
using Mural.UNet;
using static TorchSharp.torch;

namespace Mural.Cli.Bench;

/// <summary>One guided step of Stable Diffusion's denoisers with random weights: both halves of the guidance in one batch.</summary>
internal static class UNetBench
{
    private const int Batch = 2, TextTokens = 77;

    internal static Benchmark Create() => new("unet", "A guided step of Stable Diffusion's denoiser.", () =>
    [
        // Multiply-adds of one picture, two operations each (arXiv 2112.10752 and 2307.01952 have the architectures).
        Row("sd15-512", "Stable Diffusion 1.5, 512x512 pixels", new UNetConfig(), 64, 401.6e9, Precision.BFloat16),
        Row("sdxl-1024", "Stable Diffusion XL, 1024x1024 pixels", UNetConfig.StableDiffusionXL, 128, 3380.6e9, Precision.BFloat16),
        Row("sd15-512-f32", "Stable Diffusion 1.5, 512x512 pixels", new UNetConfig(), 64, 401.6e9, Precision.Float32),
    ]);

    private static BenchRow Row(string name, string about, UNetConfig config, int side, double multiplyAdds, Precision precision) => new()
    {
        Name = name,
        About = $"{about}, random weights, {precision.ShortName()}, batch {Batch}",
        Type = precision.ToScalarType(),
        Operations = 2 * Batch * multiplyAdds,
        Prepare = kernels => Prepare(config, side, kernels, precision.ToScalarType()),
    };

    private static BenchWork Prepare(UNetConfig config, int side, KernelSet kernels, ScalarType type)
    {
        using var gradients = no_grad();
        using Generator generator = new(1, CPU);
        Tensor Normal(params long[] shape) => randn(shape, generator: generator).to(type);
        var network = new UNet2DConditionModel(config, type);
        network.PrepareForInference(kernels, type);
        PreparedPrompt prompt = network.Prepare(new UNetConditioning(Normal(Batch, TextTokens, config.CrossAttentionWidth))
        {
            PooledText = config.SizeEmbeddingWidth is null ? null : Normal(Batch, 1280),
            SizeNumbers = config.SizeEmbeddingWidth is null ? null : full([Batch, 6], 1024f),
        });
        Tensor latent = Normal(Batch, config.InChannels, side, side), time = full(1, 500f);
        return new BenchWork(
            () =>
            {
                using var inference = inference_mode();
                network.Forward(latent, time, prompt).Dispose();
            },
            new Held(network, prompt, latent, time));
    }
}
