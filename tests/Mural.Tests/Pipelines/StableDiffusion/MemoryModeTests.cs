using System.Text.Json.Nodes;
using Mural.Attention;
using Mural.Cli.CommandLine;
using Mural.Cli.Painting;
using Mural.HiDiffusion;
using Mural.LinFusion;
using Mural.Pipelines;
using Mural.Tests.Autoencoders;
using Mural.Text;
using Mural.UNet;

namespace Mural.Tests.Pipelines;

/// <summary>Modes of memory paint the same picture; the one that fits is chosen, or it is said by how much none does.</summary>
[Trait("Area", "pipelines")]
public sealed class MemoryModeTests : IDisposable
{
    private static readonly StableDiffusionRequest Request = new() { Prompt = "fox", Width = 128, Height = 96, Steps = 3, Seed = 4 };

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(TinyStableDiffusion.First)]
    [InlineData(TinyStableDiffusion.Second)]
    [InlineData(TinyStableDiffusion.XL)]
    public async Task EveryModePaintsTheSame(string model)
    {
        var pictures = new List<byte[]>();
        foreach (MemoryMode mode in Enum.GetValues<MemoryMode>())
        {
            await using StableDiffusionPipeline pipeline = await TinyStableDiffusion.Load(model, new StableDiffusionOptions { Memory = mode });
            Assert.Equal(mode, pipeline.Forecast(pipeline.Plan(Request)).Mode);
            pictures.Add(await TinyStableDiffusion.Paint(pipeline, Request));
        }
        TinyStableDiffusion.AssertClose(pictures[0], pictures[1]);
        TinyStableDiffusion.AssertClose(pictures[0], pictures[2]);
    }

    [Fact]
    public async Task ModeThatFitsIsChosen()
    {
        var large = new LargePictureRequest { Picture = Request with { Width = 64, Height = 64 }, Width = 4096, Height = 4096 };
        // What other tests of the process hold counts as loaded, and differs from one pipeline to the next.
        await using StableDiffusionPipeline pipeline = await TinyStableDiffusion.Load(
            TinyStableDiffusion.First, new StableDiffusionOptions { DecodeMemory = long.MaxValue, MemoryLimit = long.MaxValue });
        LargePicturePlan plan = pipeline.Plan(large);
        double[] peaks = [.. Enum.GetValues<MemoryMode>().Select(mode => pipeline.Forecast(plan, mode).Peak)];
        Assert.True(peaks[0] > peaks[1] && peaks[1] > peaks[2]);
        foreach (MemoryMode mode in Enum.GetValues<MemoryMode>())
        {
            long limit = LimitOf(pipeline.Forecast(plan, mode));
            // Of the networks and of the autoencoder each the first that fits.
            MemoryMode First(bool codec) => Enum.GetValues<MemoryMode>().First(one =>
                pipeline.Forecast(plan, one).Stages.Where(stage => stage.IsCodec == codec).All(stage => StableDiffusionPipeline.Fits(stage.Bytes, limit)));
            MemoryForecast chosen = pipeline.ForecastWithin(plan, limit);
            Assert.Equal((First(codec: false), First(codec: true)), (chosen.Mode, chosen.CodecMode));
            Assert.Equal(mode, (MemoryMode)Math.Max((int)chosen.Mode, (int)chosen.CodecMode));
        }
        await using StableDiffusionPipeline refused = await TinyStableDiffusion.Load(TinyStableDiffusion.First, new StableDiffusionOptions { MemoryLimit = 1_000_000 });
        string sentence = Assert.Throws<MuralException>(() => refused.Forecast(refused.Plan(large))).Message;
        Assert.Contains("GB more than", sentence, StringComparison.Ordinal);
    }

    // What is told is less than some runs hold.
    [Fact]
    public async Task SomeOfTheLimitIsLeftFree()
    {
        await using StableDiffusionPipeline pipeline = await TinyStableDiffusion.Load(
            TinyStableDiffusion.First, new StableDiffusionOptions { Memory = MemoryMode.Disk, MemoryLimit = long.MaxValue });
        StableDiffusionPlan plan = pipeline.Plan(Request);
        MemoryForecast told = pipeline.Forecast(plan);
        Assert.Equal(told.Peak, pipeline.ForecastWithin(plan, LimitOf(told)).Peak);
        string sentence = Assert.Throws<MuralException>(() => pipeline.ForecastWithin(plan, (long)(1.1 * told.Peak))).Message;
        Assert.Contains("with 15 % to spare", sentence, StringComparison.Ordinal);
        TinyAutoencoders.AssertOneSentence(sentence);
    }

    [Fact]
    public void MapsGoToTheDiskOnTheProcessorOnly()
    {
        Assert.Equal([MemoryMode.Whole, MemoryMode.Strips], MemoryModes.Of(null, DeviceType.CUDA, whole: false));
        Assert.Equal(Enum.GetValues<MemoryMode>(), MemoryModes.Of(null, DeviceType.CPU, whole: false));
        TinyAutoencoders.AssertOneSentence(Assert.Throws<MuralException>(() => MemoryModes.Of(MemoryMode.Disk, DeviceType.MPS, whole: false)).Message);
        TinyAutoencoders.AssertOneSentence(Assert.Throws<MuralException>(() => MemoryModes.Of(MemoryMode.Strips, DeviceType.CPU, whole: true)).Message);
    }

    // HiDiffusion needs whole maps of its network, the autoencoder does not.
    [Fact]
    public async Task WhatRunsOnWholeMapsLeavesTheAutoencoderFree()
    {
        StableDiffusionRequest request = Request with { Width = 512, Height = 512, HiDiffusion = new HiDiffusionOptions() };
        async Task<MemoryForecast> Forecast(long limit, MemoryMode? mode = null)
        {
            await using StableDiffusionPipeline pipeline = await TinyStableDiffusion.Load(
                TinyStableDiffusion.First, new StableDiffusionOptions { MemoryLimit = limit, Memory = mode });
            return pipeline.Forecast(pipeline.Plan(request));
        }
        MemoryForecast whole = await Forecast(long.MaxValue);
        await using StableDiffusionPipeline free = await TinyStableDiffusion.Load(TinyStableDiffusion.First);
        MemoryForecast told = free.Forecast(free.Plan(request), MemoryMode.Whole, MemoryMode.Disk);
        double disk = told.Peak, painting = told.Stages.Single(stage => stage.Name == "painting").Bytes;
        Assert.Equal((MemoryMode.Whole, MemoryMode.Whole), (whole.Mode, whole.CodecMode));
        // The tiny network may itself need more than its autoencoder.
        Assert.True(disk >= painting);
        Assert.Equal(MemoryMode.Whole, free.ForecastWithin(free.Plan(request), LimitOf(told)).Mode);
        TinyAutoencoders.AssertOneSentence((await Assert.ThrowsAsync<MuralException>(() => Forecast(long.MaxValue, MemoryMode.Strips))).Message);
        Assert.Equal(Enum.GetValues<MemoryMode>(), MemoryModes.OfCodec(null, DeviceType.CPU));
        Assert.Equal([MemoryMode.Whole, MemoryMode.Strips], MemoryModes.OfCodec(null, DeviceType.CUDA));
        Assert.Equal([MemoryMode.Whole], MemoryModes.OfCodec(MemoryMode.Whole, DeviceType.CPU));
    }

    [Fact]
    public async Task HiDiffusionThatIsSwitchedOffBindsNoMode()
    {
        await using StableDiffusionPipeline pipeline = await TinyStableDiffusion.Load(TinyStableDiffusion.First, new StableDiffusionOptions { Memory = MemoryMode.Strips });
        StableDiffusionRequest windows = Request with { HiDiffusion = new HiDiffusionOptions { RauNet = false } },
            off = Request with { HiDiffusion = new HiDiffusionOptions { RauNet = false, WindowAttention = false } };
        Assert.Equal(MemoryMode.Strips, pipeline.Forecast(pipeline.Plan(off)).Mode);
        Assert.Equal(await TinyStableDiffusion.Paint(pipeline, Request), await TinyStableDiffusion.Paint(pipeline, off));
        Assert.Contains("leave out --memory-mode", Assert.Throws<MuralException>(() => pipeline.Forecast(pipeline.Plan(windows))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task TextsThatAndJoinsAreTold()
    {
        await using StableDiffusionPipeline pipeline = await TinyStableDiffusion.Load(TinyStableDiffusion.First, new StableDiffusionOptions { BatchGuidance = true });
        (MemoryStage Painting, StableDiffusionPlan Plan) Told(string prompt, double guidance = 7.5)
        {
            StableDiffusionPlan plan = pipeline.Plan(Request with { Prompt = prompt, Guidance = guidance, Steps = 4, Sampler = "ddim" });
            return (pipeline.Forecast(plan, MemoryMode.Whole).Stages.Single(stage => stage.Name == "painting"), plan);
        }
        (MemoryStage one, StableDiffusionPlan plan) = Told("fox");
        MemoryStage three = Told("fox AND snow AND dusk").Painting, changing = Told("[fox:cat:2] AND [snow|rain] AND dusk").Painting;
        Assert.Equal(2 * one.MultiplyAdds, three.MultiplyAdds, 1e-6 * one.MultiplyAdds);
        Assert.Equal(three.MultiplyAdds, changing.MultiplyAdds, 1e-6 * one.MultiplyAdds);
        Assert.True(three.Bytes > one.Bytes);
        Assert.Equal(three.Bytes, changing.Bytes);
        Assert.Equal(new TextCounts(2, 1), TextCounts.Of(plan, PromptSyntax.Weighted));
        Assert.Equal(new TextCounts(1, 1), TextCounts.Of(Told("fox", guidance: 1).Plan, PromptSyntax.Weighted));
        Assert.Equal(new TextCounts(3, 2), TextCounts.Of(Told("fox AND snow", guidance: 1).Plan, PromptSyntax.Weighted));
        Assert.Equal(new TextCounts(2, 1), TextCounts.Of(Told("fox AND snow").Plan, PromptSyntax.Plain));
        Assert.Equal(new TextCounts(3, 2), TextCounts.Of(Told("[fox|fox AND snow]").Plan, PromptSyntax.Weighted));
    }

    [Fact]
    public void DiskWithoutRoomIsExplained()
    {
        Assert.Null(DiskSpace.Shortage(1e9, _folder.Path, free: 2_000_000_000));
        Assert.Null(DiskSpace.Shortage(1e9, _folder.Path, free: null));
        string sentence = DiskSpace.Shortage(3e9, _folder.Path, free: 2_000_000_000)!;
        Assert.Contains($"3.0 GB of the disk would be needed, but {_folder.Path} has room for 2.0 GB", sentence, StringComparison.Ordinal);
        TinyAutoencoders.AssertOneSentence(Assert.Throws<MuralException>(() => DiskSpace.Require(double.MaxValue, _folder.Path)).Message);
        // A folder that is still to be created lies where it will be.
        Assert.NotNull(DiskSpace.Free(_folder.At("not/there")));
        Assert.Empty(Directory.GetFileSystemEntries(_folder.Path));
    }

    [Fact]
    public async Task StagesNeedRoomForWhatTheirFolderDoesNotHold()
    {
        await using StableDiffusionPipeline pipeline = await TinyStableDiffusion.Load(TinyStableDiffusion.First);
        LargePicturePlan plan = pipeline.Plan(new LargePictureRequest { Picture = Request with { Width = 32, Height = 32 }, Width = 64, Height = 64 });
        MemoryForecast told = pipeline.Forecast(plan, MemoryMode.Disk);
        int first = 3 * 32 * 32, second = 3 * 64 * 64;
        double Needed() => StageFolder.Needed(plan, told, _folder.Path);
        Assert.True(told.DiskBytes > 0);
        Assert.Equal(told.DiskBytes + first + second, StageFolder.Needed(plan, told, _folder.At("stages")));
        _folder.Write("stage-0.rgb", new byte[first]);
        Assert.Equal(told.DiskBytes + second, Needed());
        // What a run that is killed leaves is deleted before the next one writes.
        _folder.Write("stage-1.rgb.part", new byte[second]);
        _folder.Write("enlarged.rgb", new byte[second]);
        Assert.Equal(told.DiskBytes - second, Needed());
        new StageFolder(_folder.Path, "a job", plan).Dispose();
        Assert.Equal(told.DiskBytes + second, Needed());
        _folder.Write("stage-1.rgb", new byte[second]);
        Assert.Equal(0, Needed());
    }

    [Fact]
    public async Task WhatSizesAskOfTheAutoencoderIsTold()
    {
        // Decoding takes less on whole maps of 64x64 pixels, and more on those of 256x256.
        await using StableDiffusionPipeline pipeline = await TinyStableDiffusion.Load(
            TinyStableDiffusion.First, new StableDiffusionOptions { Memory = MemoryMode.Whole, MemoryLimit = long.MaxValue, DecodeMemory = 10_000_000 });
        StableDiffusionRequest first = Request with { Width = 64, Height = 64 };
        MemoryForecast small = pipeline.Forecast(pipeline.Plan(first)),
            large = pipeline.Forecast(pipeline.Plan(new LargePictureRequest { Picture = first, Width = 256, Height = 256 }));
        Assert.Equal((MemoryMode.Whole, MemoryMode.Whole), (small.Mode, small.CodecMode));
        Assert.Equal((MemoryMode.Whole, MemoryMode.Strips), (large.Mode, large.CodecMode));
        Assert.Equal("strips", JsonNode.Parse(JsonOutput.Write(ForecastReport.Held(large)))!["autoencoderMode"]!.GetValue<string>());
        double Slowness(string name)
        {
            int stage = large.Stages.Index().Single(one => one.Item.Name == name).Index;
            return ForecastReport.Seconds(large, rate: 1)[stage] / large.Stages[stage].MultiplyAdds;
        }
        Assert.Equal(Slowness("painting 256x256"), Slowness("decoding 64x64"), 1e-9);
        Assert.True(Slowness("decoding 256x256") > 1.1 * Slowness("decoding 64x64"));
        Assert.True(Slowness("encoding 256x256") > 1.1 * Slowness("decoding 64x64"));
    }

    [Fact]
    public async Task ForecastDoesNotHangOnTheRunBefore()
    {
        await using StableDiffusionPipeline pipeline = await TinyStableDiffusion.Load(TinyStableDiffusion.First, new StableDiffusionOptions { Memory = MemoryMode.Strips });
        StableDiffusionPlan plan = pipeline.Plan(Request);
        IReadOnlyList<MemoryStage> before = pipeline.Forecast(plan, MemoryMode.Whole).Stages;
        await TinyStableDiffusion.Paint(pipeline, Request);
        Assert.Equal(before, pipeline.Forecast(plan, MemoryMode.Whole).Stages);
    }

    [Fact]
    public async Task PartsOfALargePictureAreAllTold()
    {
        await using StableDiffusionPipeline pipeline = await TinyStableDiffusion.Load(TinyStableDiffusion.First);
        var large = new LargePictureRequest
        {
            Picture = Request with { Width = 64, Height = 64, InitialPicture = TinyStableDiffusion.Gradient(64, 64) },
            Width = 128,
            Height = 128,
        };
        Assert.Equal(
            ["reading", "encoding 64x64", "painting 64x64", "decoding 64x64", "encoding 128x128", "painting 128x128", "decoding 128x128"],
            pipeline.Forecast(pipeline.Plan(large)).Stages.Select(stage => stage.Name));
    }

    [Fact]
    public void MixersOfAllTokensAtOnceTakeMore()
    {
        UNetConfig config = UNetConfig.Read(Path.Combine(TinyStableDiffusion.At(TinyStableDiffusion.First), "unet"));
        double Peak(TokenMixing mixing) => new UNetEstimate(config, mixing, MemoryMode.Strips).Run(new MapSize(512, 512), 1, 4, 4096);
        TokenMixing Mixing(LinearMixer? kind)
        {
            using UNet2DConditionModel network = UNet2DConditionModel.FromFolder(Path.Combine(TinyStableDiffusion.At(TinyStableDiffusion.First), "unet"));
            using var generator = new Generator(1);
            if (kind is { } mixer) network.StartLinFusion(LinFusionConfig.For(config, mixer: mixer, side: 8), generator);
            return TokenMixing.Of(network);
        }
        Assert.Equal(TokenMixing.Softmax, Mixing(null));
        Assert.Equal(TokenMixing.Sums, Mixing(LinearMixer.LinFusion));
        Assert.True(Peak(TokenMixing.Softmax) > Peak(TokenMixing.Sums));
        foreach (LinearMixer kind in Enum.GetValues<LinearMixer>().Where(kind => kind != LinearMixer.LinFusion))
            Assert.True(Peak(Mixing(kind)) > Peak(TokenMixing.Sums), $"{kind}");
        Assert.True(Peak(Mixing(LinearMixer.Mamba2)) > Peak(TokenMixing.Softmax));
    }

    [Fact]
    public async Task HiDiffusionIsTold()
    {
        await using StableDiffusionPipeline pipeline = await TinyStableDiffusion.Load(TinyStableDiffusion.First);
        MemoryStage Painting(HiDiffusionOptions? options)
        {
            StableDiffusionRequest request = Request with { Width = 512, Height = 512, Steps = 10, Sampler = "ddim", HiDiffusion = options };
            return Assert.Single(pipeline.Forecast(pipeline.Plan(request), MemoryMode.Whole).Stages, stage => stage.Name == "painting");
        }
        MemoryStage plain = Painting(null), none = Painting(new HiDiffusionOptions { RauNet = false, WindowAttention = false }),
            windows = Painting(new HiDiffusionOptions { RauNet = false });
        Assert.Equal(plain, none);
        Assert.Equal(plain.Bytes, windows.Bytes);
        Assert.True(windows.MultiplyAdds < plain.MultiplyAdds);
        // Half of the calls are shorter.
        MemoryStage half = Painting(new HiDiffusionOptions { WindowAttention = false, T1 = 0.5, T2 = 0 }),
            all = Painting(new HiDiffusionOptions { WindowAttention = false, T1 = 1, T2 = 0 });
        Assert.Equal((plain.MultiplyAdds + all.MultiplyAdds) / 2, half.MultiplyAdds, 1e-6 * plain.MultiplyAdds);
        Assert.Equal(plain.Bytes, half.Bytes);
        Assert.True(all.Bytes <= plain.Bytes && all.MultiplyAdds < plain.MultiplyAdds);
    }

    [Fact]
    public async Task ControlNetsAreTold()
    {
        await using StableDiffusionPipeline pipeline = await TinyStableDiffusion.Load(TinyStableDiffusion.First);
        MemoryStage Painting(params ControlInput[] controls) => Assert.Single(
            pipeline.Forecast(pipeline.Plan(Request with { Controls = controls, Steps = 10, Sampler = "ddim" }), MemoryMode.Whole).Stages, stage => stage.Name == "painting");
        MemoryStage plain = Painting();
        ControlNetModel network = await pipeline.LoadControlNetAsync(TinyStableDiffusion.At("tiny-controlnet-sd15"), TestContext.Current.CancellationToken);
        var control = new ControlInput(network, TinyStableDiffusion.Gradient(128, 96));
        MemoryStage loaded = Painting(), one = Painting(control), two = Painting(control, control),
            half = Painting(control with { End = 0.5 }), guessed = Painting(control with { GuessMode = true });
        Assert.True(loaded.Bytes > plain.Bytes && loaded.MultiplyAdds == plain.MultiplyAdds);
        // One set of what they add each, and their sum.
        Assert.True(one.Bytes > loaded.Bytes);
        Assert.Equal(3 * (one.Bytes - loaded.Bytes), two.Bytes - loaded.Bytes, 1);
        double added = one.MultiplyAdds - plain.MultiplyAdds;
        Assert.True(added > 0);
        foreach ((MemoryStage stage, double times) in new[] { (two, 2), (half, 0.5), (guessed, 0.5) })
            Assert.Equal(times * added, stage.MultiplyAdds - plain.MultiplyAdds, 1e-6 * added);
    }

    [Fact]
    public void PlanTellsMemoryAndTimeAndPaintsNothing()
    {
        Cli.CommandRun run = Cli.CommandRun.Of(
        [
            "plan", "fox", "--model", TinyStableDiffusion.At(TinyStableDiffusion.First), "--size", "64x64",
            "--upscale-to", "256x256", "--device", "cpu", "--precision", "f32", "-o", _folder.At("fox.png")
        ]);
        Assert.True(run.ExitCode == ExitCode.Success, run.Error);
        foreach (string stage in new[] { "reading", "painting 64x64", "encoding 256x256", "decoding 256x256", "GB" }) Assert.Contains(stage, run.Out, StringComparison.Ordinal);
        Assert.Empty(Directory.GetFileSystemEntries(_folder.Path));
    }

    [Fact]
    public void PlanTellsProgramsWhatItTellsPeople()
    {
        string[] line =
        [
            "plan", "fox", "--model", TinyStableDiffusion.At(TinyStableDiffusion.First), "--size", "64x64", "--steps", "5",
            "--guidance", "1", "--negative", "blurry", "--device", "cpu", "--precision", "f32", "-o", _folder.At("fox.png"), "--json"
        ];
        foreach ((string[] more, int side) in new (string[], int)[] { ([], 64), (["--upscale-to", "256x256"], 256) })
        {
            Cli.CommandRun run = Cli.CommandRun.Of([.. line, .. more]);
            Assert.True(run.ExitCode == ExitCode.Success, run.Error);
            JsonObject document = run.Json;
            string Text(string name) => document[name]!.GetValue<string>();
            int Number(string name) => document[name]!.GetValue<int>();
            Assert.Equal((TinyStableDiffusion.First, "Stable Diffusion 1"), (Text("model"), Text("family")));
            Assert.Equal((side, side, 5), (Number("width"), Number("height"), Number("steps")));
            Assert.Equal(("cpu", "f32", "whole"), (Text("device"), Text("precision"), Text("mode")));
            Assert.Contains(document["warnings"]!.AsArray(), warning => warning!.GetValue<string>().Contains("the negative prompt is not used", StringComparison.Ordinal));
            Assert.Equal("reading", document["stages"]![0]!["name"]!.GetValue<string>());
            Assert.False(document.ContainsKey("diskShortage"));
        }
    }

    [Fact]
    public async Task PlanTellsProgramsOfADiskWithoutRoom()
    {
        await using StableDiffusionPipeline pipeline = await TinyStableDiffusion.Load(TinyStableDiffusion.First);
        StableDiffusionPlan plan = pipeline.Plan(Request);
        string shortage = DiskSpace.Shortage(3e9, _folder.Path, free: 2_000_000_000)!;
        var run = new PlannedRun("a picture", plan.Model, plan.Width, plan.Height, plan.Steps, plan.Warnings, pipeline.Forecast(plan), shortage, pipeline.Runtime);
        Assert.Equal(shortage, JsonNode.Parse(JsonOutput.Write(ForecastReport.Document(run)))!["diskShortage"]!.GetValue<string>());
    }

    // Bytes that a run of that forecast fits into just so.
    private static long LimitOf(MemoryForecast told) => (long)(told.Peak * (1 + StableDiffusionPipeline.Margin)) + 1;

    [Fact]
    public void GenerateTellsItFirstAndRefusesWhatDoesNotFit()
    {
        string[] line =
        [
            "generate", "fox", "--model", TinyStableDiffusion.At(TinyStableDiffusion.First), "--size", "64x64",
            "--steps", "2", "--device", "cpu", "--precision", "f32", "-o", _folder.At("fox.png")
        ];
        Cli.CommandRun run = Cli.CommandRun.Of([.. line, "--memory", "100GB"]);
        Assert.True(run.ExitCode == ExitCode.Success, run.Error);
        Assert.Contains("GB of memory", run.Out, StringComparison.Ordinal);
        Assert.Contains("GB more than", Assert.Single(Cli.CommandRun.Of([.. line, "--memory", "1MB"]).Problems), StringComparison.Ordinal);
    }
}
