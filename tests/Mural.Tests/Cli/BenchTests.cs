using System.Text.Json.Nodes;
using Mural.Autoencoders;
using Mural.Checkpoints.SingleFile;
using Mural.Cli.Bench;
using Mural.Cli.CommandLine;
using Mural.Cli.Machine;
using Mural.DiM;
using Mural.Layers.Clip;
using Mural.Runtime;
using Mural.Tests.Goldens;
using Mural.Tests.LinFusion;
using Mural.Tests.UNet;
using Mural.Text;
using Mural.UNet;

namespace Mural.Tests.Cli;

public class BenchTests
{
    public static TheoryData<string> Costs => GoldenCase.NamesByJson(LinFusionGoldens.Area, json => json["rows"] is JsonArray && json["formulas"] is not null);

    [Fact]
    public void MatmulComparesWithAProcessOfItsOwn()
    {
        CommandRun run = CommandRun.Of("bench", "matmul", "--row", "linear-512-1280-1280-bf16", "--rounds", "1", "--json");
        Assert.True(run.ExitCode == ExitCode.Success, run.Error);
        Assert.True(run.Json["machine"]!["gigaflops"]!["bf16"]!.GetValue<double>() > 0.01);
        JsonNode row = Assert.Single(run.Json["rows"]!.AsArray())!;
        Assert.Equal("linear-512-1280-1280-bf16", row["name"]!.GetValue<string>());
        Assert.True(row["milliseconds"]!.GetValue<double>() > 0);
        Assert.True(row["share"]!.GetValue<double>() > 0);
        Assert.True(row["speedup"]!.GetValue<double>() > 0);
    }

    [Theory]
    [InlineData("bench nothing", "matmul")]
    [InlineData("bench matmul --row nothing", "--row")]
    [InlineData("bench matmul --serve nothing", "has no row nothing")]
    public void AnUnknownBenchmarkOrRowIsOneSentence(string line, string expected)
    {
        CommandRun run = CommandRun.Of(line.Split(' '));
        Assert.Equal(ExitCode.Problem, run.ExitCode);
        Assert.Contains(expected, Assert.Single(run.Problems), StringComparison.Ordinal);
    }

    [Fact]
    public void WhatRowsShareStaysUntilAllAreMeasured()
    {
        var shared = new Counter();
        BenchRow Row(string name, string? against) => new()
        {
            Name = name,
            About = name,
            Compared = false,
            Shared = shared,
            Against = against is null ? null : (against, 1),
            Prepare = _ => new BenchWork(() => Assert.Equal(0, shared.Disposed), new Held()),
        };
        var runner = new BenchRunner(
            "tiny", [Row("first", null), Row("second", "first"), Row("third", "fourth")], new BenchOptions(Rounds: 1), TestContext.Current.CancellationToken);
        List<BenchFigure> shown = [];
        BenchResult result = runner.Run(_ => { }, figure =>
        {
            Assert.Equal(0, shared.Disposed);
            shown.Add(figure);
        });
        Assert.Equal(1, shared.Disposed);
        Assert.Equal(result.Rows, shown);
        Assert.Null(result.Rows[0].Note);
        Assert.Contains("over first", result.Rows[1].Note, StringComparison.Ordinal);
        Assert.Equal("to be compared with fourth, which was not measured", result.Rows[2].Note);
    }

    [Fact]
    public void RowsOfMemoryShareOneModel() =>
        Assert.IsType<RandomModel>(Assert.Single(Assert.Single(Benchmark.All, benchmark => benchmark.Name == "memory").Rows().Select(row => row.Shared).Distinct()));

    [Theory]
    [InlineData("matmul", "square-bf16")]
    [InlineData("scan", "forward")]
    [InlineData("scan", "backward")]
    [InlineData("dim", "dim-h-512-guided")]
    [InlineData("train", "default-dim")]
    [InlineData("load", "sd15")]
    [InlineData("load", "sdxl")]
    [InlineData("load", "sd15-pictures")]
    [InlineData("linfusion", "sd15-512-plain")]
    [InlineData("linfusion", "sd15-2048-plain")]
    [InlineData("linfusion", "sd15-4096-linfusion")]
    [InlineData("linfusion", "sd15-1024-both")]
    [InlineData("linfusion", "attention-4096")]
    [InlineData("linfusion", "kernel-65536")]
    public void TheDocumentedRowsAreThere(string benchmark, string row) =>
        Assert.Contains(Assert.Single(Benchmark.All, b => b.Name == benchmark).Rows(), r => r.Name == row);

    // Counted apart from the formulas; of the denoisers with the keys and values of the text, which are made once for all steps.
    [Theory]
    [InlineData("unet", "sd15-512", 4 * 401.6e9)]
    [InlineData("unet", "sdxl-1024", 4 * 3380.6e9)]
    [InlineData("vae", "decode-512", 2.515e12)]
    public void OperationsAreThoseOfTheNetworks(string benchmark, string row, double counted) =>
        Assert.InRange(Assert.Single(Assert.Single(Benchmark.All, b => b.Name == benchmark).Rows(), r => r.Name == row).Operations!.Value / counted, 0.99, 1.01);

    [Fact]
    public void LoadingIsMeasuredOnAModelThatIsGoneAfterwards()
    {
        RandomModel model = Tiny();
        BenchRow row = LoadBench.Load("tiny", "A tiny model", model);
        BenchWork load = row.Prepare(KernelSet.Mural), read = row.Baseline!();
        string folder = model.Folder;
        using (load.Held)
        {
            load.Run();
            LiveTensors.AssertFlat(read.Run);
            Assert.Matches(OperatingSystem.IsLinux() ? @"^\d+\.\d\d GB of weights, at most \d+\.\d\d GB more resident" : @"^\d+\.\d\d GB of weights", load.Found!());
            Assert.True(Directory.Exists(folder));
        }
        Assert.False(Directory.Exists(folder));
    }

    [Fact]
    public void MemoryIsMeasuredOverManyPictures()
    {
        BenchWork pictures = LoadBench.Pictures("tiny", "A tiny model", Tiny()).Prepare(KernelSet.Mural);
        using (pictures.Held)
        {
            pictures.Run();
            Assert.Matches(@"^\d+\.\d\d GB resident after the first picture, \d+\.\d\d after 20, \d+\.\d\d after 20, never more than \d+\.\d\d$", pictures.Found!());
        }
    }

    [Fact]
    public void StepsWithLinearAttentionAreComparedWithEachOther()
    {
        var seen = new LinFusionBench.Measured();
        // Four levels, as HiDiffusion knows them, trained at 64 pixels.
        UNetConfig config = TinyUNets.Plain with
        {
            SampleSize = 8,
            BlockOutChannels = [16, 16, 16, 16],
            DownBlockAttention = [true, true, true, false],
            UpBlockAttention = [false, true, true, true],
            LayersPerBlock = [1, 1, 1, 1],
            AttentionHeads = [2, 2, 2, 2],
            TransformerLayers = [1, 1, 1, 1],
        };
        const LinFusionBench.Kind Plain = LinFusionBench.Kind.Plain, LinFusion = LinFusionBench.Kind.LinFusion, Both = LinFusionBench.Kind.Both;
        foreach ((int size, LinFusionBench.Kind kind, bool compared, bool sloped) in new[]
        {
            (64, Plain, false, false), (64, LinFusion, true, false), (128, LinFusion, false, true), (128, Plain, false, true), (128, Both, true, false)
        })
        {
            BenchWork work = LinFusionBench.Step(size, kind, config, Precision.Float32, seen).Prepare(KernelSet.Mural);
            using IDisposable held = work.Held;
            work.Run();
            LiveTensors.AssertFlat(work.Run);
            Assert.Equal(compared, work.Found!().Contains("times as fast as with softmax attention alone", StringComparison.Ordinal));
            Assert.Equal(sloped, work.Found!().Contains("slope of time in tokens", StringComparison.Ordinal));
        }
    }

    [GoldenTheory, MemberData(nameof(Costs)), Trait("Area", LinFusionGoldens.Area)]
    public void TheCountOfALayerIsThatOfTheGoldens(string name)
    {
        JsonArray rows = GoldenCase.ReadJson(LinFusionGoldens.Area, name)["rows"]!.AsArray();
        Assert.NotEmpty(rows);
        Assert.All(rows, row =>
        {
            int Of(string key) => row![key]!.GetValue<int>();
            double tokens = row!["tokens"]!.GetValue<double>();
            Assert.Equal(row["linfusion_macs"]!.GetValue<double>(), LinFusionCost.LinearLayer(tokens, Of("width"), Of("heads"), Of("mlp_width")));
        });
    }

    [Theory]
    [InlineData("attention-4096")]
    [InlineData("kernel-4096")]
    public void TheNearerLimitOfLinearAttentionIsSaid(string row)
    {
        BenchWork work = Assert.Single(LinFusionBench.Create().Rows(), r => r.Name == row).Prepare(KernelSet.Mural);
        using IDisposable held = work.Held;
        work.Run();
        Assert.Matches(
            @"^the (product rate|memory bandwidth) binds: \d+\.\d\d ms of products at \d+ GFLOP/s, \d+\.\d\d ms of reading and writing at \d+\.\d GB/s; ", work.Found!());
    }

    [Fact]
    public void RandomModelsCanBeKept()
    {
        using var folder = new TemporaryFolder();
        string? before = Environment.GetEnvironmentVariable(RandomModel.Variable);
        Environment.SetEnvironmentVariable(RandomModel.Variable, folder.Path);
        try
        {
            using (RandomModel model = Tiny())
            {
                model.Write();
                Assert.Equal(folder.At("random-tiny"), model.Folder);
            }
            CommandRun run = CommandRun.Of("generate", "a fox", "--model", folder.At("random-tiny"), "--size", "64x64", "--steps", "1", "-o", folder.At("fox.png"));
            Assert.True(run.ExitCode == ExitCode.Success, run.Error);
        }
        finally
        {
            Environment.SetEnvironmentVariable(RandomModel.Variable, before);
        }
    }

    // Multiply-additions of linears and scan by an independent count (spec dim.md 1.1); the scan, at most 3 % of them, is not counted here.
    [Theory]
    [InlineData("S", 18.1e9)]
    [InlineData("L", 139.0e9)]
    [InlineData("H", 310.5e9)]
    [InlineData("H512", 1043.5e9)]
    public void TheCountOfOperationsIsThatOfTheArchitecture(string size, double multiplications)
    {
        DiMConfig config = size switch { "S" => DiMConfig.Small, "L" => DiMConfig.Large, "H" => DiMConfig.Huge, _ => DiMConfig.Huge512 };
        Assert.InRange(DiMCost.Forward(config, config.TrainedGrid), 2 * 0.965 * multiplications, 2 * multiplications);
    }

    private static RandomModel Tiny() => new(
        "random-tiny",
        ModelFamily.StableDiffusion1,
        TinyUNets.Plain,
        new AutoencoderConfig { BlockOutChannels = [8, 8, 8, 8], NormGroupCount = 4, LayersPerBlock = 1 },
        new ClipTextConfig
        {
            VocabularySize = 520,
            EndToken = 513,
            Transformer = new ClipTransformerConfig { Layers = 2, Width = TinyUNets.ContextWidth, Heads = 2, Inner = 24, Activation = ClipActivation.QuickGelu },
        });

    private sealed class Counter : IDisposable
    {
        internal int Disposed { get; private set; }

        public void Dispose() => Disposed++;
    }

    [Theory]
    [InlineData(new double[] { 3 }, 3)]
    [InlineData(new double[] { 9, 1, 4 }, 4)]
    [InlineData(new double[] { 4, 1, 2, 9 }, 3)]
    public void TheMedianIsTheMiddle(double[] values, double median) => Assert.Equal(median, Statistics.Median(values));
}
