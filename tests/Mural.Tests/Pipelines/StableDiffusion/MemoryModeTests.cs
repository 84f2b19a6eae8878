using Mural.Cli.CommandLine;
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
        double Peak(TokenMixing mixing) => new UNetEstimate(config, mixing, MemoryMode.Strips).Run(512, 512, 1, 4, 4096).Peak;
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
