using Mural.Imaging;
using Mural.Pipelines;
using Mural.Runtime;
using Mural.Samplers;
using static Mural.Tests.Pipelines.TinyStableDiffusion;

namespace Mural.Tests.Pipelines;

public class StableDiffusionPipelineTests
{
    private static readonly StableDiffusionRequest Fox = new() { Prompt = "a photo of a red fox", Seed = 7, Width = 64, Height = 48, Steps = 3 };

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(First, "Stable Diffusion 1", 7.5)]
    [InlineData(Second, "Stable Diffusion 2", 7.5)]
    [InlineData(XL, "Stable Diffusion XL", 5)]
    public async Task PaintsWithEveryFamilyAndSaysWhatItUsed(string model, string family, double guidance)
    {
        await using StableDiffusionPipeline pipeline = await Load(model);
        Assert.Equal(family, pipeline.Model.Family);
        StableDiffusionPicture painted = Assert.Single(await pipeline.GenerateAsync(Fox, cancellationToken: Cancellation));
        Assert.Equal((64, 48, 3), (painted.Picture.Width, painted.Picture.Height, painted.Picture.Channels));
        Assert.Equal((7, 3, guidance), (painted.Seed, painted.Plan.Steps, painted.Plan.Guidance));
        Assert.True(painted.Picture.Data.Distinct().Count() > 16);
        GenerationParameters parameters = GenerationParameters.Parse(painted.Parameters.Format());
        Assert.Equal(painted.Parameters with { Others = [] }, parameters with { Others = [] });
        Assert.Equal((Fox.Prompt, 3, 7L, "CPU"), (parameters.Prompt, parameters.Steps, parameters.Seed, parameters.Rng));
    }

    [Fact]
    public async Task EverySettingChangesThePicture()
    {
        await using StableDiffusionPipeline pipeline = await Load(First);
        byte[] first = await Paint(pipeline, Fox);
        Assert.Equal(first, await Paint(pipeline, Fox));
        StableDiffusionRequest[] others =
        [
            Fox with { Seed = 8 }, Fox with { Prompt = "a photo of a (red:1.4) fox" },
            Fox with { Prompt = "a photo of a [red:blue:2] fox" }, Fox with { Prompt = "a photo AND a red fox" },
            Fox with { NegativePrompt = "blurry" }, Fox with { Steps = 4 }, Fox with { Guidance = 3 }, Fox with { Guidance = 1 }, Fox with { GuidanceRescale = 0.7 },
            Fox with { GuidanceStart = 0.5 }, Fox with { GuidanceStop = 0.5 }, Fox with { Noise = NoiseOrigin.Cuda }, Fox with { Sampler = "euler" },
            Fox with { Sampler = "ddim" }, Fox with { Sampler = "ddim", Eta = 0.5 }, Fox with { Sampler = "euler", Schedule = "karras" }, Fox with { ClipSkip = 1 },
            Fox with { NegativeClipSkip = 1 },
        ];
        byte[][] painted = [first, .. await Task.WhenAll(others.Select(other => Paint(pipeline, other)))];
        for (int i = 0; i < painted.Length; i++)
            for (int j = 0; j < i; j++) Assert.False(painted[i].SequenceEqual(painted[j]), $"{i} and {j} are the same");
    }

    // A bar outside brackets keeps a prompt from changing, but not the other that AND joins to it.
    [Fact]
    public async Task PromptsThatAndJoinsChangeEachByItself()
    {
        await using StableDiffusionPipeline pipeline = await Load(First);
        byte[] expected = await Paint(pipeline, Fox with { Prompt = "a fox | a cat AND a red fox" });
        Assert.Equal(expected, await Paint(pipeline, Fox with { Prompt = "a fox | a cat AND a [red:red:1] fox" }));
    }

    [Theory]
    [InlineData("a photo AND a red fox :0.5")]
    [InlineData("a red fox :1.5")]
    public async Task WithoutGuidancePromptsKeepTheirWeights(string prompt)
    {
        await using StableDiffusionPipeline pipeline = await Load(First);
        byte[] expected = await Paint(pipeline, Fox with { Prompt = prompt, Guidance = 1 });
        Assert.Equal(expected, await Paint(pipeline, Fox with { Prompt = prompt, Guidance = 0 }));
        Assert.Equal(expected, await Paint(pipeline, Fox with { Prompt = prompt, Guidance = 0.5 }));
    }

    [Fact]
    public async Task WhatCountsForNothingIsSaid()
    {
        await using StableDiffusionPipeline first = await Load(First), xl = await Load(XL);
        static bool Says(StableDiffusionPipeline pipeline, StableDiffusionRequest request, string part) =>
            pipeline.Plan(request).Warnings.Any(warning => warning.Contains(part, StringComparison.Ordinal));
        foreach (StableDiffusionRequest request in (StableDiffusionRequest[])[Fox with { SecondPrompt = "snow" }, Fox with { SecondNegativePrompt = "snow" }])
        {
            Assert.True(Says(first, request, "one text encoder"));
            Assert.False(Says(xl, request, "one text encoder"));
        }
        StableDiffusionRequest one = Fox with { Steps = 1, Sampler = "euler" };
        Assert.True(Says(first, one with { Schedule = "linspace" }, "only step"));
        Assert.False(Says(first, one with { Schedule = "trailing" }, "only step"));
        Assert.False(Says(first, Fox, "only step"));
    }

    [Fact]
    public async Task TheAlignedStepsAreThoseOfTheFamily()
    {
        await using StableDiffusionPipeline first = await Load(First), xl = await Load(XL);
        foreach ((StableDiffusionPipeline pipeline, SigmaSchedule schedule) in new[] { (first, SigmaSchedule.AlignYourSteps), (xl, SigmaSchedule.AlignYourStepsXL) })
            Assert.Equal(schedule, pipeline.Plan(Fox with { Sampler = "euler", Schedule = "Align Your Steps" }).Sampler.Options.SigmaSchedule);
    }

    [Fact]
    public async Task SizesAndSecondPromptsCountForXL()
    {
        await using StableDiffusionPipeline pipeline = await Load(XL);
        StableDiffusionRequest[] requests =
        [
            Fox, Fox with { NegativePrompt = "" }, Fox with { SecondPrompt = "snow" }, Fox with { NegativePrompt = "", SecondNegativePrompt = "snow" },
            Fox with { Sizes = new() { Original = (200, 100) } }, Fox with { Sizes = new() { Crop = (8, 0) } }, Fox with { Sizes = new() { Target = (200, 100) } },
            Fox with { NegativeSizes = new() { Original = (200, 100) } },
        ];
        byte[][] painted = await Task.WhenAll(requests.Select(request => Paint(pipeline, request)));
        Assert.Equal(painted.Length, painted.Select(Convert.ToHexString).Distinct().Count());
    }

    [Theory]
    [InlineData(3, true)]
    [InlineData(2, true)]
    [InlineData(2, false)]
    public async Task BatchEqualsSingleRuns(int batchSize, bool batchGuidance)
    {
        StableDiffusionRequest request = Fox with { Sampler = "euler-a", Count = 3 };
        await using StableDiffusionPipeline singles = await Load(First);
        await using StableDiffusionPipeline batches = await Load(First, new StableDiffusionOptions { BatchSize = batchSize, BatchGuidance = batchGuidance });
        IReadOnlyList<StableDiffusionPicture> together = await batches.GenerateAsync(request, cancellationToken: Cancellation);
        Assert.Equal([7L, 8L, 9L], together.Select(picture => picture.Seed));
        foreach (StableDiffusionPicture picture in together)
            AssertClose(await Paint(singles, request with { Seed = picture.Seed, Count = 1 }), picture.Picture.Data);
    }

    [Fact]
    public async Task TextEncodersCanBeFreedAfterUse()
    {
        await using StableDiffusionPipeline keeps = await Load(XL), frees = await Load(XL, new StableDiffusionOptions { KeepTextEncoders = false });
        foreach (string prompt in (string[])["a fox", "a cat"])
            Assert.Equal(await Paint(keeps, Fox with { Prompt = prompt }), await Paint(frees, Fox with { Prompt = prompt }));
    }

    [Fact]
    public async Task DecodingInTilesChangesLittle()
    {
        StableDiffusionRequest large = Fox with { Width = 192, Height = 160, Steps = 1 };
        await using StableDiffusionPipeline whole = await Load(First), tiled = await Load(First, new StableDiffusionOptions { DecodeMemory = 1 });
        byte[] expected = await Paint(whole, large), actual = await Paint(tiled, large);
        Assert.NotEqual(expected, actual);
        // Random weights attend far beyond a tile's edge; unrelated pictures are 80 apart.
        Assert.InRange(Distance(expected, actual), 0, 25);
    }

    [Fact]
    public async Task AnotherAutoencoderCanTakeItsPlace()
    {
        await using StableDiffusionPipeline own = await Load(First), tiny = await Load(First, new StableDiffusionOptions { Autoencoder = At("tiny-taesd") });
        Assert.NotEqual(await Paint(own, Fox), await Paint(tiny, Fox));
    }

    [Fact]
    public async Task ProgressCountsCallsAndPictures()
    {
        await using StableDiffusionPipeline pipeline = await Load(First);
        var seen = new List<StableDiffusionProgress>();
        int observed = 0;
        await pipeline.GenerateAsync(Fox with { Count = 2, OnStep = _ => observed++ }, new Direct(seen.Add), Cancellation);
        // PNDM makes one call more than steps.
        Assert.Equal(new StableDiffusionProgress(StableDiffusionStage.Encoding, 1, 1), seen[0]);
        Assert.Equal(
            Enumerable.Range(1, 8).Select(done => new StableDiffusionProgress(StableDiffusionStage.Sampling, done, 8)),
            seen.Where(progress => progress.Stage == StableDiffusionStage.Sampling));
        Assert.Equal(
            Enumerable.Range(1, 2).Select(done => new StableDiffusionProgress(StableDiffusionStage.Decoding, done, 2)),
            seen.Where(progress => progress.Stage == StableDiffusionStage.Decoding));
        Assert.Equal(8, observed);
    }

    [Theory]
    [InlineData(512, 384, 256, 192)]
    [InlineData(64, 48, 64, 48)]
    public async Task PreviewsAreSmallPicturesOfTheEstimate(int width, int height, int previewWidth, int previewHeight)
    {
        await using StableDiffusionPipeline pipeline = await Load(First, new StableDiffusionOptions { Autoencoder = At("tiny-taesd") });
        var seen = new List<StableDiffusionProgress>();
        StableDiffusionRequest request = Fox with { Width = width, Height = height, Steps = 2, Sampler = "ddim", Guidance = 1, PreviewEvery = 2 };
        await pipeline.GenerateAsync(request, new Direct(seen.Add), Cancellation);
        Picture preview = Assert.Single(seen, progress => progress.Preview is not null).Preview!;
        Assert.Equal((previewWidth, previewHeight), (preview.Width, preview.Height));
        Assert.True(preview.Data.Distinct().Count() > 8);
    }

    [Fact]
    public async Task CancellationStopsWithinACallAndThePipelineGoesOn()
    {
        await using StableDiffusionPipeline pipeline = await Load(First);
        using var source = new CancellationTokenSource();
        int calls = 0;
        StableDiffusionRequest stopped = Fox with { OnStep = _ => { if (++calls == 2) source.Cancel(); } };
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => pipeline.GenerateAsync(stopped, cancellationToken: source.Token));
        Assert.Equal(2, calls);
        Assert.NotEmpty(await Paint(pipeline, Fox));
    }

    [Fact]
    public async Task FinishedPicturesAreHandedOutBeforeTheRunEnds()
    {
        await using StableDiffusionPipeline pipeline = await Load(First);
        using var source = new CancellationTokenSource();
        var finished = new List<StableDiffusionPicture>();
        StableDiffusionRequest request = Fox with { Count = 4, OnPicture = finished.Add, OnStep = _ => { if (finished.Count == 2) source.Cancel(); } };
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => pipeline.GenerateAsync(request, cancellationToken: source.Token));
        Assert.Equal([7L, 8L], finished.Select(picture => picture.Seed));
        Assert.Equal(await Paint(pipeline, Fox), finished[0].Picture.Data);
    }

    [Fact]
    public async Task LiveTensorsStayFlat()
    {
        await using StableDiffusionPipeline pipeline = await Load(XL, new StableDiffusionOptions { BatchSize = 2 });
        StableDiffusionRequest request = Fox with
        {
            Prompt = "a (red:1.2) [fox|cat] AND snow",
            Count = 3,
            InitialPicture = Gradient(64, 48),
            Mask = HalfMask(64, 48),
            Controls = [new ControlInput(await pipeline.LoadControlNetAsync(At("tiny-controlnet-sdxl"), Cancellation), Gradient(64, 48)) { GuessMode = true }],
        };
        Task Run() => pipeline.GenerateAsync(request, cancellationToken: Cancellation);
        await Run();
        // What other tests left to the finaliser must not pass for memory given back.
        GC.Collect();
        GC.WaitForPendingFinalizers();
        long before = Tensor.TotalCount;
        await Run();
        Assert.Equal(before, Tensor.TotalCount);
    }

    [Fact]
    public async Task TwentyPicturesLeaveNothingBehind()
    {
        await using StableDiffusionPipeline pipeline = await Load(First);
        // Nothing that was kept for a prompt or a size may pile up.
        Task<byte[]> PaintOther(int i) => Paint(pipeline, Fox with { Prompt = $"a fox, number {i}", NegativePrompt = $"{i}", Seed = i, Width = 128 + 8 * (i % 3), Height = 128 });
        for (int i = 0; i < 3; i++) await PaintOther(i);
        GC.Collect();
        GC.WaitForPendingFinalizers();
        long tensors = Tensor.TotalCount;
        for (int i = 3; i < 23; i++)
        {
            await PaintOther(i);
            Assert.Equal(tensors, Tensor.TotalCount);
        }
    }

    [Theory]
    [InlineData(Precision.BFloat16, 12)]
    [InlineData(Precision.Float16, 2)]
    public async Task LowerPrecisionPaintsNearlyTheSame(Precision precision, double levels)
    {
        await using StableDiffusionPipeline exact = await Load(First),
            rounded = await Load(First, new StableDiffusionOptions { Runtime = new RuntimeOptions { Precision = precision } });
        StableDiffusionRequest mild = Fox with { Guidance = 2 };
        Assert.InRange(Distance(await Paint(exact, mild), await Paint(rounded, mild)), 0, levels);
    }

    private sealed class Direct(Action<StableDiffusionProgress> report) : IProgress<StableDiffusionProgress>
    {
        public void Report(StableDiffusionProgress value) => report(value);
    }
}
