using System.Text.Json.Nodes;
using Mural.HiDiffusion;
using Mural.Pipelines;
using Mural.Samplers;
using Mural.UNet;
using static Mural.Tests.Pipelines.TinyStableDiffusion;

namespace Mural.Tests.Pipelines;

/// <summary>SDXL's base model with a refiner, put together from the tiny model's second text encoder and a UNet of random weights.</summary>
public sealed class RefinerTests : IDisposable
{
    private static readonly StableDiffusionRequest Fox = new() { Prompt = "a red fox", Seed = 7, Width = 64, Height = 64, Steps = 5, Guidance = 3 };

    private readonly string _refiner = MakeRefiner();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose() => Directory.Delete(_refiner, recursive: true);

    [Fact]
    public async Task TakesOverWhereItWasAskedTo()
    {
        await using StableDiffusionPipeline alone = await Load(XL), both = await Load(XL, new StableDiffusionOptions { Refiner = _refiner });
        StableDiffusionPlan plan = both.Plan(Fox with { RefinerStart = 0.6 });
        Assert.Equal((3, 3, 5), (plan.EndCall, plan.Refiner!.FirstCall, plan.Refiner.EndCall));
        Assert.Equal((3, 2), (plan.Calls, plan.Refiner.Calls));
        byte[] refined = await Paint(both, Fox with { RefinerStart = 0.6 });
        Assert.NotEqual(await Paint(alone, Fox), refined);
        Assert.NotEqual(await Paint(both, Fox with { RefinerStart = 0.8 }), refined);
    }

    [Fact]
    public async Task BothModelsCallsAreCounted()
    {
        await using StableDiffusionPipeline both = await Load(XL, new StableDiffusionOptions { Refiner = _refiner });
        var seen = new List<StableDiffusionProgress>();
        await both.GenerateAsync(Fox with { Count = 2, PreviewEvery = 2 }, new Direct(seen.Add), Cancellation);
        StableDiffusionProgress[] steps = [.. seen.Where(progress => progress.Stage == StableDiffusionStage.Sampling)];
        Assert.Equal(Enumerable.Range(1, 10).Select(done => (done, 10)), steps.Select(step => (step.Done, step.Count)));
        Assert.Equal([2, 4, 7, 9], steps.Where(step => step.Preview is not null).Select(step => step.Done));
        Assert.All(steps.Where(step => step.Preview is not null), step => Assert.Equal((64, 64), (step.Preview!.Width, step.Preview.Height)));
    }

    // A share of ten calls is one, of the six that the refiner leaves none.
    [Fact]
    public async Task SentencesSpeakOfTheCallsThatItLeaves()
    {
        await using StableDiffusionPipeline alone = await Load(XL), both = await Load(XL, new StableDiffusionOptions { Refiner = _refiner });
        StableDiffusionRequest request = Fox with { Steps = 10, RefinerStart = 0.6, HiDiffusion = new HiDiffusionOptions { Aggressive = false, T1 = 0.15 } };
        static bool Idle(string warning) => warning.Contains("resamples nothing", StringComparison.Ordinal);
        Assert.DoesNotContain(alone.Plan(request).Warnings, Idle);
        StableDiffusionPlan plan = both.Plan(request);
        Assert.Equal(6, plan.Calls);
        Assert.Contains("in 6 network calls", Assert.Single(plan.Warnings, Idle), StringComparison.Ordinal);
    }

    [Fact]
    public async Task ItGoesOnInTheBaseModelsSchedule()
    {
        StableDiffusionRequest multistep = Fox with
        {
            Sampling = new SamplerOptions { Sampler = SamplerKind.DpmMultistep, BetaSchedule = BetaSchedule.ScaledLinear, SigmaSchedule = SigmaSchedule.Karras }
        };
        await using StableDiffusionPipeline before = await Load(XL, new StableDiffusionOptions { Refiner = _refiner });
        byte[][] expected = [await Paint(before, Fox), await Paint(before, multistep)];
        string config = Path.Combine(_refiner, "scheduler", "scheduler_config.json");
        JsonNode json = JsonNode.Parse(File.ReadAllText(config))!;
        (json["_class_name"], json["beta_end"]) = ("UniPCMultistepScheduler", 0.02);
        File.WriteAllText(config, json.ToJsonString());
        await using StableDiffusionPipeline after = await Load(XL, new StableDiffusionOptions { Refiner = _refiner });
        StableDiffusionPlan plan = after.Plan(multistep);
        Assert.Equal((plan.Sampler.Options, SamplerKind.DpmMultistep), (plan.Refiner!.Sampler.Options, plan.Refiner.Sampler.Options.Sampler));
        Assert.Equal(plan.Sampler.Sigmas, plan.Refiner.Sampler.Sigmas);
        Assert.Equal(expected, [await Paint(after, Fox), await Paint(after, multistep)]);
    }

    [Fact]
    public async Task ItTakesOverAfterAShareOfTheTrainingSteps()
    {
        await using StableDiffusionPipeline both = await Load(XL, new StableDiffusionOptions { Refiner = _refiner });
        StableDiffusionPlan even = both.Plan(Fox with { Steps = 20, RefinerStart = 0.6 }), karras = both.Plan(Fox with { Steps = 20, RefinerStart = 0.6, Schedule = "karras" });
        Assert.Equal(12, even.EndCall);
        // Karras' schedule has other shares of its steps above that noise.
        Assert.Equal(karras.Sampler.Timesteps.Count(timestep => timestep >= 400), karras.EndCall);
        Assert.NotEqual(12, karras.EndCall);
    }

    [Fact]
    public async Task SuperResolutionSaysThatItIsNotUsed()
    {
        await using StableDiffusionPipeline both = await Load(XL, new StableDiffusionOptions { Refiner = _refiner });
        var request = new LargePictureRequest
        {
            Picture = Fox with { Width = null, Height = null, InitialPicture = Gradient(40, 24) },
            Width = 256,
            Height = 192,
            Method = UpscaleMethod.SuperResolution,
        };
        LargePicturePlan plan = both.Plan(request);
        Assert.All(plan.Stages, stage => Assert.Null(stage.Plan.Refiner));
        Assert.Contains(plan.Warnings, warning => warning.Contains("not used by super-resolution", StringComparison.Ordinal));
    }

    // It takes over at once, and nothing is doubled.
    [Fact]
    public async Task ALargePictureMayBeTheRefinersAlone()
    {
        await using StableDiffusionPipeline both = await Load(XL, new StableDiffusionOptions { Refiner = _refiner });
        LargePictureStage stage = Assert.Single(both.Plan(new LargePictureRequest
        {
            Picture = Fox with { InitialPicture = Gradient(64, 64), Strength = 0.3, RefinerStart = 0.2 },
            Width = 64,
            Height = 64,
        }).Stages);
        Assert.Equal((0, 1), (stage.Calls, stage.Plan.Refiner!.Calls));
    }

    [Fact]
    public async Task PromptsAndRangesCountBothModelsCalls()
    {
        await using StableDiffusionPipeline both = await Load(XL, new StableDiffusionOptions { Refiner = _refiner });
        StableDiffusionRequest request = Fox with { RefinerStart = 0.6 };
        var steps = new List<(int, int?)>();
        byte[] plain = await Paint(both, request with { OnStep = step => steps.Add((step.Index, step.Count)) });
        Assert.Equal([(1, 5), (2, 5), (3, 5), (4, 5), (5, 5)], steps);
        // Of five calls the refiner makes the last two.
        Assert.NotEqual(plain, await Paint(both, request with { Prompt = "[a red fox:snow:3]" }));
        Assert.Equal(plain, await Paint(both, request with { Prompt = "[a red fox:snow:4]" }));
        Assert.NotEqual(await Paint(both, request with { Guidance = 1 }), await Paint(both, request with { GuidanceStop = 0.3 }));
    }

    [Fact]
    public async Task ARefinerAlonePaintsAndKnowsScores()
    {
        await using StableDiffusionPipeline pipeline = await Load(_refiner);
        Assert.Equal("Stable Diffusion XL refiner", pipeline.Model.Family);
        StableDiffusionRequest change = Fox with { InitialPicture = Gradient(64, 64), Strength = 0.6 };
        byte[] usual = await Paint(pipeline, change);
        Assert.Equal(usual, await Paint(pipeline, change with { Sizes = new() { AestheticScore = 6 }, NegativeSizes = new() { AestheticScore = 2.5 } }));
        Assert.NotEqual(usual, await Paint(pipeline, change with { Sizes = new() { AestheticScore = 9 } }));
    }

    [Fact]
    public async Task AnotherFamilyCannotRefine()
    {
        string message = (await Assert.ThrowsAsync<MuralException>(() => Load(XL, new StableDiffusionOptions { Refiner = At(First) }))).Message;
        Assert.Contains("must be of Stable Diffusion XL", message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task ForecastKnowsTheRefinersOwnNetwork()
    {
        await using StableDiffusionPipeline both = await Load(XL, new StableDiffusionOptions { Refiner = _refiner });
        var linear = new StableDiffusionOptions { Refiner = _refiner, LinFusion = Mural.Tests.LinFusion.LinFusionGoldens.Beside("weights/tiny-sdxl") };
        await using StableDiffusionPipeline mixed = await Load(XL, linear);
        MemoryStage Stage(StableDiffusionPipeline pipeline, string name) => pipeline.Forecast(pipeline.Plan(Fox), MemoryMode.Strips).Stages.Single(stage => stage.Name == name);
        // Linear attention is the base model's alone.
        Assert.Equal(Stage(both, "refining").MultiplyAdds, Stage(mixed, "refining").MultiplyAdds);
        Assert.NotEqual(Stage(both, "painting").MultiplyAdds, Stage(mixed, "painting").MultiplyAdds);
        LargePicturePlan large = both.Plan(new LargePictureRequest { Picture = Fox, Width = 128, Height = 128 });
        Assert.Equal("refining 64x64", Assert.Single(both.Forecast(large).Stages, stage => stage.Name.StartsWith("refining", StringComparison.Ordinal)).Name);
    }

    private static string MakeRefiner()
    {
        string folder = PipelineModel.Copy(At(XL)), unet = Path.Combine(folder, "unet");
        foreach (string part in (string[])["text_encoder", "tokenizer"]) Directory.Delete(Path.Combine(folder, part), recursive: true);
        File.Delete(Path.Combine(folder, "model_index.json"));
        UNetConfig config = UNetConfig.Read(unet);
        int numbers = 6 * config.SizeEmbeddingWidth!.Value, pooled = config.AddedEmbeddingWidth!.Value - numbers;
        manual_seed(3);
        using var network = new UNet2DConditionModel(config with
        {
            CrossAttentionWidth = Mural.Text.ClipTextConfig.Read(Path.Combine(folder, "text_encoder_2")).Transformer.Width,
            AddedEmbeddingWidth = pooled + 5 * config.SizeEmbeddingWidth.Value,
        });
        network.Save(unet);
        return folder;
    }

    private sealed class Direct(Action<StableDiffusionProgress> report) : IProgress<StableDiffusionProgress>
    {
        public void Report(StableDiffusionProgress value) => report(value);
    }
}
