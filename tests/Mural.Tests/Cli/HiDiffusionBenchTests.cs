using Mural.Cli.Bench;
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
        string[] models = ["sd15-1024", "sd15-2048", "sdxl-2048"];
        Assert.Equal(from type in new[] { "", "-f32" } from model in models from part in parts select $"{model}-{part}{type}", rows);
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
}
