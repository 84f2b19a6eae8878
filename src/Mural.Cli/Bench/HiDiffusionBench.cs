using System.Globalization;
using Mural.Attention;
using Mural.HiDiffusion;
using Mural.Runtime;
using Mural.UNet;

namespace Mural.Cli.Bench;

/// <summary>
/// Guided steps of Stable Diffusion beyond the size it was trained on, plain and with HiDiffusion in its phases, and whole schedules put together from them. Weights are random.
/// </summary>
internal static class HiDiffusionBench
{
    private const int Batch = 2, TextTokens = 77, Steps = 30;
    private const string Plain = "plain";

    internal static Benchmark Create() => new("hidiffusion", "Steps beyond the trained size, plain and with HiDiffusion.", () =>
    [
        .. All(Precision.BFloat16),
        .. All(Precision.Float32),
    ]);

    private static IEnumerable<BenchRow> All(Precision precision) =>
    [
        .. Rows("sd15-1024", "Stable Diffusion 1.5, 1024x1024 pixels", new UNetConfig(), 128, precision),
        .. Rows("sd15-2048", "Stable Diffusion 1.5, 2048x2048 pixels", new UNetConfig(), 256, precision),
        .. Rows("sdxl-2048", "Stable Diffusion XL, 2048x2048 pixels", UNetConfig.StableDiffusionXL, 256, precision),
    ];

    /// <summary>The rows of one model and size: a plain step, HiDiffusion's first and last ones, and its schedule.</summary>
    /// <param name="name">What the rows' names begin with.</param>
    /// <param name="about">Model and size in words.</param>
    /// <param name="config">The network.</param>
    /// <param name="side">Side of the latents.</param>
    /// <param name="precision">The number format; names of rows in f32 end with it.</param>
    internal static IReadOnlyList<BenchRow> Rows(string name, string about, UNetConfig config, int side, Precision precision)
    {
        HiDiffusionPlan plan = HiDiffusionPlan.For(HiDiffusionArchitecture.Find(config)!, side, side, Steps, new HiDiffusionOptions());
        using var shifts = new WindowShifts([1]);
        IReadOnlyList<(HiDiffusionStep Step, int Calls)> phases = plan.Kinds(Steps, shifts);
        string Named(string part) => precision == Precision.BFloat16 ? $"{name}-{part}" : $"{name}-{part}-{precision.ShortName()}";
        BenchRow Row(string part, string what, params (HiDiffusionStep? Step, int Count)[] parts) => new()
        {
            Name = Named(part),
            About = $"{what}, {about}, random weights, {precision.ShortName()}, batch {Batch}",
            Type = precision.ToScalarType(),
            Operations = parts.Sum(one => 2.0 * one.Count * Batch * UNetCost.Forward(config, new MapSize(side, side), TextTokens, step: one.Step)),
            Against = part == Plain ? null : (Named(Plain), parts.Sum(one => one.Count)),
            Prepare = kernels => Prepare(config, side, kernels, precision, parts),
        };
        return
        [
            Row(Plain, "a step", (null, 1)),
            Row("early", "HiDiffusion's first step", (phases[0].Step, 1)),
            Row("late", "HiDiffusion's last step", (phases[^1].Step, 1)),
            Row("schedule", $"{Steps} steps of HiDiffusion, each of its {phases.Count} kinds run once", [.. phases.Select(phase => ((HiDiffusionStep?)phase.Step, phase.Calls))]),
        ];
    }

    private static BenchWork Prepare(UNetConfig config, int side, KernelSet kernels, Precision precision, (HiDiffusionStep? Step, int Count)[] parts)
    {
        UNetWork unet = UNetWork.Create(config, side, Batch, TextTokens, kernels, precision.ToScalarType());
        long weights = SystemMemory.Read().Resident, most = 0;
        bool known = true;
        Action[] runs = [.. parts.Select(part => (Action)(() =>
        {
            known &= SystemMemory.ResetPeak();
            unet.Run(part.Step);
            most = Math.Max(most, SystemMemory.Read().Peak - weights);
        }))];
        return new BenchWork(
            () =>
            {
                foreach (Action run in runs) run();
            },
            unet)
        {
            Parts = parts.Length == 1 ? [] : [.. runs.Zip(parts, (run, part) => (run, part.Count))],
            Found = () => known ? string.Create(CultureInfo.InvariantCulture, $"at most {most / 1e9:0.00} GB beside the weights") : "",
        };
    }
}
