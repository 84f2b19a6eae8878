using System.Text.Json.Nodes;
using Mural.Pipelines;
using Mural.UNet;
using static Mural.Tests.Pipelines.TinyStableDiffusion;

namespace Mural.Tests.Pipelines;

/// <summary>A model that was distilled to a few steps and is told the guidance, put together from a tiny model and a UNet of random weights.</summary>
public sealed class DistilledModelTests : IDisposable
{
    private static readonly StableDiffusionRequest Change = new() { Prompt = "a fox", Steps = 4, InitialPicture = Gradient(64, 64), Strength = 0.5 };

    private readonly string _folder = Make();

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task StrengthChoosesAmongTheOriginalStepsWhereTheSamplerCan()
    {
        await using StableDiffusionPipeline pipeline = await Load(_folder);
        StableDiffusionPlan lcm = pipeline.Plan(Change), other = pipeline.Plan(Change with { Sampler = "ddim" });
        Assert.Equal((4, 0), (lcm.Calls, lcm.FirstCall));
        Assert.InRange(lcm.Sampler.Timesteps[0], 1, 500);
        // Others leave the first steps out, as they do with any model.
        Assert.Equal((2, 2), (other.Calls, other.FirstCall));
        Assert.NotEqual(await Paint(pipeline, Change with { Sampler = "ddim" }), await Paint(pipeline, Change with { Sampler = "ddim", Strength = 1 }));
    }

    // A first stage on a given picture begins late, its enlargements as those of any first stage.
    [Fact]
    public async Task EnlargementsChooseAmongAllOfTheOriginalSteps()
    {
        await using StableDiffusionPipeline pipeline = await Load(_folder);
        IReadOnlyList<LargePictureStage> Stages(StableDiffusionRequest picture) =>
            pipeline.Plan(new LargePictureRequest { Picture = picture with { Width = 64, Height = 64 }, Width = 128, Height = 128, Strength = 0.5 }).Stages;
        IReadOnlyList<LargePictureStage> given = Stages(Change), painted = Stages(Change with { InitialPicture = null, Strength = null });
        Assert.InRange(given[0].Plan.Sampler.Timesteps[0], 1, 500);
        Assert.Equal(painted[1].Plan.Sampler.Timesteps, given[1].Plan.Sampler.Timesteps);
        Assert.Equal((painted[1].Plan.FirstCall, painted[1].Calls), (given[1].Plan.FirstCall, given[1].Calls));
    }

    [Theory]
    [InlineData(1.5)]
    [InlineData(0)]
    [InlineData(double.NaN)]
    public async Task AStrengthOutOfRangeIsCalledThat(double strength)
    {
        await using StableDiffusionPipeline pipeline = await Load(_folder);
        Assert.Contains("The strength is", Assert.Throws<MuralException>(() => pipeline.Plan(Change with { Strength = strength })).Message, StringComparison.Ordinal);
    }

    private static string Make()
    {
        string folder = PipelineModel.Copy(At(First)), unet = Path.Combine(folder, "unet"), scheduler = Path.Combine(folder, "scheduler", "scheduler_config.json");
        manual_seed(5);
        using var network = new UNet2DConditionModel(UNetConfig.Read(unet) with { GuidanceEmbeddingWidth = 16 });
        network.Save(unet);
        JsonNode json = JsonNode.Parse(File.ReadAllText(scheduler))!;
        json["_class_name"] = "LCMScheduler";
        File.WriteAllText(scheduler, json.ToJsonString());
        return folder;
    }
}
