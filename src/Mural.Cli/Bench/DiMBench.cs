using Mural.DiM;
using Mural.Runtime;
using static TorchSharp.torch;

namespace Mural.Cli.Bench;

/// <summary>One guided forward pass of DiM-H with random weights, as in painting 512x512 pixels.</summary>
internal static class DiMBench
{
    private const int LatentSide = 64;

    // A seventh of the depth shows the same speed: all blocks are alike, and plain operators need minutes for all of them.
    private const int PlainBlocks = 7;

    private static readonly DiMConfig Model = DiMConfig.Huge512;

    internal static Benchmark Create() => new("dim", "A guided forward pass of DiM-H for 512x512 pixels.", () =>
    [
        new BenchRow
        {
            Name = "dim-h-512-guided",
            About = "DiM-H, bf16, latent 4x64x64, conditional and unconditional in one batch of 2",
            Operations = Operations(Model),
            Prepare = kernels => Prepare(kernels == KernelSet.Mural ? Model : Model with { Blocks = PlainBlocks }, kernels),
        },
    ]);

    private static double Operations(DiMConfig config) => 2 * DiMCost.Forward(config, config.TrainedGrid);

    private static BenchWork Prepare(DiMConfig config, KernelSet kernels)
    {
        using Generator generator = new(1, CPU);
        using var gradients = no_grad();
        var model = new DiMModel(config, generator);
        model.PrepareForInference(kernels, ScalarType.BFloat16);
        Tensor latent = randn([2, config.InChannels, LatentSide, LatentSide], generator: generator);
        Tensor time = full(2, 500f), labels = from_array(new long[] { 207, config.NullLabel });
        double scale = Operations(Model) / Operations(config);
        return new BenchWork(
            () =>
            {
                using var inference = inference_mode();
                model.Forward(latent, time, labels).Dispose();
            },
            new Held(model, latent, time, labels),
            scale,
            config.Blocks < Model.Blocks ? $"{config.Blocks} of {Model.Blocks} blocks were run and the time multiplied by {scale:0.00}, the ratio of their operations" : null);
    }
}
