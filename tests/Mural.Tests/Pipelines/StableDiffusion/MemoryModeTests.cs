using Mural.Attention;
using Mural.Cli.CommandLine;
using Mural.HiDiffusion;
using Mural.LinFusion;
using Mural.Pipelines;
using Mural.Tests.Autoencoders;
using Mural.UNet;

namespace Mural.Tests.Pipelines;

/// <summary>Modes of memory paint the same picture; the one that fits is chosen, or it is said by how much none does.</summary>
[Trait("Area", "pipelines")]
public sealed class MemoryModeTests : IDisposable
{
    private static readonly StableDiffusionRequest Request = new() { Prompt = "fox", Width = 128, Height = 96, Steps = 3, Seed = 4 };

    private readonly Cli.TemporaryFolder _folder = new();

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
        var forecasts = new Dictionary<MemoryMode, double>();
        foreach (MemoryMode mode in Enum.GetValues<MemoryMode>())
        {
            await using StableDiffusionPipeline pipeline = await TinyStableDiffusion.Load(TinyStableDiffusion.First, new StableDiffusionOptions { DecodeMemory = long.MaxValue });
            forecasts[mode] = pipeline.Forecast(pipeline.Plan(large), mode).Peak;
        }
        Assert.True(forecasts[MemoryMode.Whole] > forecasts[MemoryMode.Strips] && forecasts[MemoryMode.Strips] > forecasts[MemoryMode.Disk]);
        foreach ((MemoryMode mode, double peak) in forecasts)
        {
            // What other tests of the process hold changes a little in between.
            await using StableDiffusionPipeline pipeline = await TinyStableDiffusion.Load(TinyStableDiffusion.First, new StableDiffusionOptions { DecodeMemory = long.MaxValue, MemoryLimit = long.MaxValue });
            double now = pipeline.Forecast(pipeline.Plan(large), mode).Peak;
            await using StableDiffusionPipeline limited = await TinyStableDiffusion.Load(TinyStableDiffusion.First, new StableDiffusionOptions { DecodeMemory = long.MaxValue, MemoryLimit = (long)(1.05 * now) });
            Assert.Equal(mode, limited.Forecast(limited.Plan(large)).Mode);
        }
        await using StableDiffusionPipeline refused = await TinyStableDiffusion.Load(TinyStableDiffusion.First, new StableDiffusionOptions { MemoryLimit = 1_000_000 });
        string sentence = Assert.Throws<MuralException>(() => refused.Forecast(refused.Plan(large))).Message;
        Assert.Contains("GB more than", sentence, StringComparison.Ordinal);
    }

    [Fact]
    public void MapsGoToTheDiskOnTheProcessorOnly()
    {
        Assert.Equal([MemoryMode.Whole, MemoryMode.Strips], MemoryModes.Of(null, DeviceType.CUDA, whole: false));
        Assert.Equal(Enum.GetValues<MemoryMode>(), MemoryModes.Of(null, DeviceType.CPU, whole: false));
        TinyAutoencoders.AssertOneSentence(Assert.Throws<MuralException>(() => MemoryModes.Of(MemoryMode.Disk, DeviceType.MPS, whole: false)).Message);
        TinyAutoencoders.AssertOneSentence(Assert.Throws<MuralException>(() => MemoryModes.Of(MemoryMode.Strips, DeviceType.CPU, whole: true)).Message);
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
        var large = new LargePictureRequest { Picture = Request with { Width = 64, Height = 64, InitialPicture = TinyStableDiffusion.Gradient(64, 64) }, Width = 128, Height = 128 };
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
        MemoryStage plain = Painting(null), none = Painting(new HiDiffusionOptions { RauNet = false, WindowAttention = false }), windows = Painting(new HiDiffusionOptions { RauNet = false });
        Assert.Equal(plain, none);
        Assert.Equal(plain.Bytes, windows.Bytes);
        Assert.True(windows.MultiplyAdds < plain.MultiplyAdds);
        // Half of the calls are shorter.
        MemoryStage half = Painting(new HiDiffusionOptions { WindowAttention = false, T1 = 0.5, T2 = 0 }), all = Painting(new HiDiffusionOptions { WindowAttention = false, T1 = 1, T2 = 0 });
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
        MemoryStage loaded = Painting(), one = Painting(control), two = Painting(control, control), half = Painting(control with { End = 0.5 }), guessed = Painting(control with { GuessMode = true });
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
        Cli.CommandRun run = Cli.CommandRun.Of(["plan", "fox", "--model", TinyStableDiffusion.At(TinyStableDiffusion.First), "--size", "64x64", "--upscale-to", "256x256", "--device", "cpu", "--precision", "f32", "-o", _folder.At("fox.png")]);
        Assert.True(run.ExitCode == ExitCode.Success, run.Error);
        foreach (string stage in new[] { "reading", "painting 64x64", "encoding 256x256", "decoding 256x256", "GB" }) Assert.Contains(stage, run.Out, StringComparison.Ordinal);
        Assert.Empty(Directory.GetFileSystemEntries(_folder.Path));
    }

    [Fact]
    public void GenerateTellsItFirstAndRefusesWhatDoesNotFit()
    {
        string[] line = ["generate", "fox", "--model", TinyStableDiffusion.At(TinyStableDiffusion.First), "--size", "64x64", "--steps", "2", "--device", "cpu", "--precision", "f32", "-o", _folder.At("fox.png")];
        Cli.CommandRun run = Cli.CommandRun.Of([.. line, "--memory", "100GB"]);
        Assert.True(run.ExitCode == ExitCode.Success, run.Error);
        Assert.Contains("GB of memory", run.Out, StringComparison.Ordinal);
        Assert.Contains("GB more than", Assert.Single(Cli.CommandRun.Of([.. line, "--memory", "1MB"]).Problems), StringComparison.Ordinal);
    }
}
