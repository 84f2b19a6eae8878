using Mural.Pipelines;
using Mural.Samplers;
using Mural.Tests.Pipelines;

namespace Mural.Tests.LinFusion;

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
        var picture = new StableDiffusionRequest { Prompt = "fox", Steps = 10, Width = 64, Height = 64, Sampling = new SamplerOptions { Sampler = kind, SkipPrkSteps = true, StepsOffset = 1 } };
        LargePicturePlan plan = pipeline.Plan(new LargePictureRequest { Picture = picture, Width = 256, Height = 256, Strength = 0.4 });
        Assert.Equal(3, plan.Stages.Count);
        foreach (LargePictureStage stage in plan.Stages.Skip(1))
        {
            StableDiffusionPlan changed = pipeline.Plan(picture with { InitialPicture = TinyStableDiffusion.Gradient(64, 64), Strength = stage.Plan.Strength });
            Assert.Equal((changed.FirstCall, changed.EndCall), (stage.Plan.FirstCall, stage.Plan.EndCall));
        }
    }

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
