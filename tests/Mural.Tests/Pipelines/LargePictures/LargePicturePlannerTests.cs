using System.Text.Json.Nodes;
using Mural.HiDiffusion;
using Mural.Pipelines;
using Mural.Samplers;
using Mural.Tests.Autoencoders;
using Mural.Tests.LinFusion;
using Mural.UNet;

namespace Mural.Tests.Pipelines;

/// <summary>Where the stages of a large picture begin.</summary>
[Trait("Area", LinFusionGoldens.Area)]
public class LargePicturePlannerTests
{
    public static TheoryData<SamplerKind> Samplers => [.. Enum.GetValues<SamplerKind>()];

    // A stage is image-to-image on the enlarged picture, and so begins where that does: with the first call of a step.
    [Theory, MemberData(nameof(Samplers))]
    public async Task StagesBeginWhereImageToImageDoes(SamplerKind kind)
    {
        await using StableDiffusionPipeline pipeline = await TinyStableDiffusion.Load(TinyStableDiffusion.First);
        var picture = new StableDiffusionRequest
        {
            Prompt = "fox",
            Steps = 10,
            Width = 64,
            Height = 64,
            Sampling = new SamplerOptions { Sampler = kind, SkipPrkSteps = true, StepsOffset = 1 },
        };
        LargePicturePlan plan = pipeline.Plan(new LargePictureRequest { Picture = picture, Width = 256, Height = 256, Strength = 0.4 });
        Assert.Equal(3, plan.Stages.Count);
        foreach (LargePictureStage stage in plan.Stages.Skip(1))
        {
            StableDiffusionPlan changed = pipeline.Plan(picture with { InitialPicture = TinyStableDiffusion.Gradient(64, 64), Strength = stage.Plan.Strength });
            Assert.Equal((changed.FirstCall, changed.EndCall), (stage.Plan.FirstCall, stage.Plan.EndCall));
        }
    }

    // Dilation makes up for what is larger than in training, whatever the first stage is.
    [Theory]
    [InlineData(1, new[] { 2, 4 })]
    [InlineData(0.5, new[] { 1, 2 })]
    [InlineData(2, new[] { 4, 8 })]
    [InlineData(0.75, new[] { 2, 3 })]
    public async Task DilationIsRelativeToTheModelsSize(double first, int[] ratios)
    {
        await using StableDiffusionPipeline pipeline = await TinyStableDiffusion.Load(TinyStableDiffusion.XL);
        int side = (int)(first * pipeline.Model.Side);
        LargePicturePlan plan = pipeline.Plan(Request(side, 4 * side, UpscaleMethod.HighResolution));
        Assert.Equal(ratios, plan.Stages.Skip(1).Select(stage => stage.Ratio));
    }

    [Fact]
    public async Task SdEditTellsEveryStageItsOwnSize()
    {
        await using StableDiffusionPipeline pipeline = await TinyStableDiffusion.Load(TinyStableDiffusion.XL);
        SizeConditioning Told(UpscaleMethod method, SizeConditioning? sizes = null)
        {
            LargePictureRequest request = Request(64, 256, method);
            LargePicturePlan plan = pipeline.Plan(request with { Picture = request.Picture with { Sizes = sizes ?? new SizeConditioning() } });
            return Assert.Single(plan.Stages.Select(stage => stage.Plan.Request.Sizes).Distinct());
        }
        var given = new SizeConditioning { Original = (8, 8), Target = (16, 16) };
        Assert.Equal(new SizeConditioning(), Told(UpscaleMethod.SdEdit));
        Assert.Equal(new SizeConditioning { Original = (256, 256), Target = (256, 256) }, Told(UpscaleMethod.HighResolution));
        Assert.Equal(given, Told(UpscaleMethod.SdEdit, given));
    }

    // What a picture says is what was asked for: repeated at another size, it is to be told that.
    [Theory]
    [InlineData(UpscaleMethod.HighResolution)]
    [InlineData(UpscaleMethod.SuperResolution)]
    public async Task SizesThatNobodyGaveAreNotWritten(UpscaleMethod method)
    {
        await using StableDiffusionPipeline pipeline = await TinyStableDiffusion.Load(TinyStableDiffusion.XL);
        LargePictureRequest request = Request(64, 256, method);
        string? Written(SizeConditioning sizes)
        {
            LargePicturePlan plan = pipeline.Plan(request with { Picture = request.Picture with { Sizes = sizes } });
            return LargePictureParameters.Of(plan).Others.FirstOrDefault(other => other.Key == StableDiffusionParameters.OriginalSize).Value;
        }
        Assert.Null(Written(new SizeConditioning()));
        Assert.Equal("16x8", Written(new SizeConditioning { Original = (8, 16) }));
    }

    [Theory]
    [InlineData(UpscaleMethod.HighResolution)]
    [InlineData(UpscaleMethod.SuperResolution)]
    public async Task ModelsThatAreToldNoSizesSayNothingOfThem(UpscaleMethod method)
    {
        await using StableDiffusionPipeline pipeline = await TinyStableDiffusion.Load(TinyStableDiffusion.First);
        LargePictureRequest request = Request(64, 256, method);
        static bool Speaks(string warning) => warning.Contains("is told nothing of sizes", StringComparison.Ordinal);
        Assert.DoesNotContain(pipeline.Plan(request).Warnings, Speaks);
        request = request with { Picture = request.Picture with { Sizes = new SizeConditioning { Original = (8, 16) } } };
        Assert.Single(pipeline.Plan(request).Warnings, Speaks);
    }

    [Theory]
    [InlineData(UpscaleMethod.HighResolution, "doubling from a first size")]
    [InlineData(UpscaleMethod.SuperResolution, "rounded up to multiples of 8.")]
    public async Task AnotherSizeIsExplainedByItsMethod(UpscaleMethod method, string reason)
    {
        await using StableDiffusionPipeline pipeline = await TinyStableDiffusion.Load(TinyStableDiffusion.First);
        LargePicturePlan plan = pipeline.Plan(Request(64, 255, method));
        string sentence = Assert.Single(plan.Warnings, warning => warning.Contains("256x256 pixels instead of 255x255", StringComparison.Ordinal));
        Assert.Contains(reason, sentence, StringComparison.Ordinal);
        TinyAutoencoders.AssertOneSentence(sentence);
    }

    // An enlargement is image-to-image under control, too.
    [Fact]
    public async Task HiDiffusionSeesAnEnlargementAsAPictureThatIsChanged()
    {
        await using StableDiffusionPipeline pipeline = await TinyStableDiffusion.Load(TinyStableDiffusion.XL);
        UNetConfig config = UNetConfig.Read(Path.Combine(TinyStableDiffusion.At(TinyStableDiffusion.XL), "unet"));
        using var control = new ControlNetModel(new ControlNetConfig { Network = config });
        LargePictureRequest request = Request(2 * pipeline.Model.Side, 4 * pipeline.Model.Side, UpscaleMethod.SdEdit);
        LargePicturePlan plan = pipeline.Plan(request with
        {
            Strength = 1,
            Picture = request.Picture with { HiDiffusion = new HiDiffusionOptions(), Controls = [new ControlInput(control, TinyStableDiffusion.Gradient(64, 64))] },
        });
        Assert.Equal((10, 10), (plan.Stages[0].Calls, plan.Stages[1].Calls));
        Assert.Equal((5, 4), (plan.Stages[0].Plan.HiDiffusion!.Pooled.End, plan.Stages[1].Plan.HiDiffusion!.Pooled.End));
    }

    [Fact]
    public async Task HiDiffusionIsIdleWhereAllStagesAre()
    {
        await using StableDiffusionPipeline pipeline = await TinyStableDiffusion.Load(TinyStableDiffusion.First);
        int side = pipeline.Model.Side;
        IReadOnlyList<string> Warnings(int steps, UpscaleMethod method = UpscaleMethod.SdEdit)
        {
            LargePictureRequest request = Request(side, 2 * side, method);
            return pipeline.Plan(request with
            {
                Picture = request.Picture with { Steps = steps, HiDiffusion = new HiDiffusionOptions() },
            }).Warnings;
        }
        static bool Idle(string warning) => warning.Contains("resamples nothing", StringComparison.Ordinal);
        Assert.DoesNotContain(Warnings(20), Idle);
        Assert.DoesNotContain(Warnings(20, UpscaleMethod.SuperResolution), Idle);
        Assert.Contains($"{2 * side}x{2 * side}", Assert.Single(Warnings(4), Idle), StringComparison.Ordinal);
    }

    [Fact]
    public async Task OptionsOfHiDiffusionAreUnusedWhereNoStageUsesThem()
    {
        await using StableDiffusionPipeline pipeline = await TinyStableDiffusion.Load(TinyStableDiffusion.First);
        int side = pipeline.Model.Side;
        IEnumerable<string> Unused(HiDiffusionOptions options)
        {
            LargePictureRequest request = Request(side, 2 * side, UpscaleMethod.SdEdit);
            return pipeline.Plan(request with { Picture = request.Picture with { Steps = 20, HiDiffusion = options } }).Warnings
                .Where(warning => warning.Contains("is not used", StringComparison.Ordinal));
        }
        Assert.Single(Unused(new HiDiffusionOptions { Aggressive = true }));
        // The second stage has the strided convolution that the first is too small for.
        Assert.Empty(Unused(new HiDiffusionOptions { EarlierUpsampler = true }));
        Assert.Single(Unused(new HiDiffusionOptions { T1 = 0, T2 = 0.5, EarlierUpsampler = true }));
    }

    [Fact]
    public async Task FoldersThatStateHalfTheSideAreNotResampledAtTheirOwn()
    {
        string folder = PipelineModel.Copy(TinyStableDiffusion.At(TinyStableDiffusion.First)), index = Path.Combine(folder, "model_index.json");
        try
        {
            JsonNode json = JsonNode.Parse(await File.ReadAllTextAsync(index, TestContext.Current.CancellationToken))!;
            json["_diffusers_version"] = "0.2.2";
            await File.WriteAllTextAsync(index, json.ToJsonString(), TestContext.Current.CancellationToken);
            await using StableDiffusionPipeline pipeline = await TinyStableDiffusion.Load(folder);
            StableDiffusionPlan plan = pipeline.Plan(new StableDiffusionRequest { Prompt = "fox", HiDiffusion = new HiDiffusionOptions() });
            Assert.Equal(pipeline.Model.Side / pipeline.Model.Multiple, plan.Architecture!.TrainedSide);
            Assert.False(plan.HiDiffusion!.Resamples);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static LargePictureRequest Request(int first, int side, UpscaleMethod method) => new()
    {
        Picture = method == UpscaleMethod.SuperResolution
            ? new StableDiffusionRequest { Prompt = "fox", Steps = 10, Sampler = "ddim", InitialPicture = TinyStableDiffusion.Gradient(first, first) }
            : new StableDiffusionRequest { Prompt = "fox", Steps = 10, Sampler = "ddim", Width = first, Height = first },
        Width = side,
        Height = side,
        Method = method,
    };

    [Theory]
    [InlineData(1024, new[] { 20 })]
    [InlineData(8192, new[] { 20, 15, 10, 5 })]
    [InlineData(16384, new[] { 20, 16, 12, 8, 4 })]
    public async Task SharesThatMakeWholeStepsLoseNone(int side, int[] steps)
    {
        await using StableDiffusionPipeline pipeline = await TinyStableDiffusion.Load(TinyStableDiffusion.First);
        LargePicturePlan plan = pipeline.Plan(new LargePictureRequest
        {
            Picture = new StableDiffusionRequest { Prompt = "fox", Steps = 50, Sampler = "ddim", Width = 512, Height = 512 },
            Width = side,
            Height = side,
        });
        Assert.Equal(steps, plan.Stages.Skip(1).Select(stage => stage.Calls));
    }
}
