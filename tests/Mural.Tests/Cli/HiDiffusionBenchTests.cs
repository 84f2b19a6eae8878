using Mural.Attention;
using Mural.Cli.Bench;
using Mural.HiDiffusion;
using Mural.Runtime;
using Mural.UNet;

namespace Mural.Tests.Cli;

/// <summary><c>mural bench hidiffusion</c>, and the count of operations that it and other figures rest on.</summary>
[Trait("Area", "hidiffusion")]
public class HiDiffusionBenchTests
{
    private static readonly UNetConfig Tiny = new()
    {
        BlockOutChannels = [32, 32, 32, 32],
        AttentionHeads = [2, 2, 2, 2],
        CrossAttentionWidth = 16,
        SampleSize = 8,
    };

    [Fact]
    public void TheRowsOfTheDocumentationAreThere()
    {
        string[] rows = [.. Assert.Single(Benchmark.All, benchmark => benchmark.Name == "hidiffusion").Rows().Select(row => row.Name)];
        string[] parts = ["plain", "early", "late", "schedule"];
        Assert.Equal([.. from model in new[] { "sd15-1024", "sd15-2048", "sdxl-2048" } from part in parts select $"{model}-{part}", .. parts.Select(part => $"sd15-1024-{part}-f32")], rows);
    }

    [Theory]
    [InlineData("plain", 0)]
    [InlineData("early", 0)]
    [InlineData("late", 0)]
    [InlineData("schedule", 2)]
    public void EveryRowRuns(string part, int kinds)
    {
        BenchRow row = Assert.Single(HiDiffusionBench.Rows("tiny", "A tiny model", Tiny, 16, Precision.BFloat16), row => row.Name == $"tiny-{part}");
        Assert.Equal(part == "plain" ? null : ("tiny-plain", part == "schedule" ? 30 : 1), row.Against);
        BenchWork work = row.Prepare(KernelSet.Mural);
        using (work.Held)
        {
            Assert.Equal(kinds, work.Parts.Count);
            Assert.Equal(kinds == 0 ? 0 : 30, work.Parts.Sum(one => one.Times));
            work.Run();
            Assert.True(BenchTimer.Round(work, TestContext.Current.CancellationToken)[0] > 0);
            if (OperatingSystem.IsLinux()) Assert.Matches(@"^at most \d+\.\d\d GB beside the weights$", work.Found!());
        }
    }

    [Fact]
    public void OperationsAreThoseThatWerePublished()
    {
        // arXiv 2112.10752 and 2307.01952 have the architectures; counters of operations leave out attention itself or not, hence the width.
        Assert.InRange(UNetCost.Forward(new UNetConfig(), new MapSize(64, 64), 77), 2 * 380e9, 2 * 420e9);
        Assert.InRange(UNetCost.Forward(UNetConfig.StableDiffusionXL, new MapSize(128, 128), 77), 2 * 3200e9, 2 * 3550e9);
    }

    [Fact]
    public void HiDiffusionSavesOperations()
    {
        var map = new MapSize(128, 128);
        using var shifts = new WindowShifts([1]);
        HiDiffusionPlan plan = HiDiffusionPlan.For(HiDiffusionArchitecture.Find(new UNetConfig())!, 128, 128, 30, new());
        double plain = UNetCost.Forward(new UNetConfig(), map, 77), early = UNetCost.Forward(new UNetConfig(), map, 77, plan.At(0, shifts)), late = UNetCost.Forward(new UNetConfig(), map, 77, plan.At(29, shifts));
        Assert.True(early < late && late < plain);
        // Five attentions of 16384 tokens and 320 channels look at a quarter of the keys.
        Assert.Equal(2 * 5 * 2 * 16384.0 * 12288 * 320, plain - late, 1e6);
    }
}
