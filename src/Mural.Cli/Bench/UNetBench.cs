using Mural.Attention;
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
        Row("sd15-512", "Stable Diffusion 1.5, 512x512 pixels", new UNetConfig(), 64, Precision.BFloat16),
        Row("sdxl-1024", "Stable Diffusion XL, 1024x1024 pixels", UNetConfig.StableDiffusionXL, 128, Precision.BFloat16),
        Row("sd15-512-f32", "Stable Diffusion 1.5, 512x512 pixels", new UNetConfig(), 64, Precision.Float32),
    ]);

    private static BenchRow Row(string name, string about, UNetConfig config, int side, Precision precision) => new()
    {
        Name = name,
        About = $"{about}, random weights, {precision.ShortName()}, batch {Batch}",
        Type = precision.ToScalarType(),
        Operations = 2 * Batch * UNetCost.Forward(config, new MapSize(side, side), TextTokens),
        Prepare = kernels => Prepare(config, side, kernels, precision.ToScalarType()),
    };

    private static BenchWork Prepare(UNetConfig config, int side, KernelSet kernels, ScalarType type)
    {
        UNetWork unet = UNetWork.Create(config, side, Batch, TextTokens, kernels, type);
        return new BenchWork(() => unet.Run(), unet);
    }
}
