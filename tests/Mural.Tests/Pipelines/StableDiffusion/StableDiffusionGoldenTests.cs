using Mural.Adapters;
using Mural.Imaging;
using Mural.Pipelines;
using Mural.Runtime;
using Mural.Tests.Goldens;
using Mural.UNet;

namespace Mural.Tests.Pipelines;

/// <summary>Whole runs against diffusers.</summary>
[Trait("Area", PipelineGoldens.Area)]
public class StableDiffusionGoldenTests
{
    public static TheoryData<string, KernelSet> Cases => PipelineGoldens.Cases;

    [GoldenTheory, MemberData(nameof(Cases))]
    public void PaintsWhatDiffusersPaints(string name, KernelSet kernels)
    {
        using var scope = NewDisposeScope();
        using var noGradients = no_grad();
        using GoldenCase golden = GoldenCase.Open(PipelineGoldens.Area, name);
        StableDiffusionOptions options = PipelineGoldens.Options(golden, kernels);
        using var model = new PipelineModel(golden);
        using StableDiffusionParts parts = StableDiffusionParts.Load(model.Folder, options, RuntimePlan.Choose(options.Runtime));
        ControlNetModel[] networks = PipelineGoldens.Networks(golden, kernels);
        using IpAdapter? adapter = PipelineGoldens.Adapter(golden, parts);
        StableDiffusionPlan plan = new StableDiffusionPlanner(parts).Plan(PipelineGoldens.Request(golden, networks, adapter));
        var noise = new RecordedNoise(golden);
        var states = new List<Tensor>();

        using TextTimeline texts = parts.Encode(plan);
        using var denoiser = new GuidedDenoiser(parts.UNet, plan, texts, batched: true);
        var painter = new StableDiffusionPainter(parts, plan, denoiser) { OnState = state => states.Add(state.clone().DetachFromDisposeScope()) };
        Tensor latents = painter.Paint(plan.Request.Count, noise, null, TestContext.Current.CancellationToken);

        golden.AssertMatches("out.latents", stack(states));
        golden.AssertMatches("out.image", PictureTensors.ToUnit(parts.Codec.Decode(latents)));
        Picture[] expected = PipelineGoldens.Pictures(golden.Get("out.image_u8"));
        for (int i = 0; i < expected.Length; i++)
            Assert.All(painter.Decode(latents.narrow(0, i, 1)).Data.Zip(expected[i].Data), pair => Assert.InRange(pair.First - pair.Second, -1, 1));
        Assert.True(noise.IsUsedUp);
        foreach (Tensor state in states) state.Dispose();
        foreach (ControlNetModel network in networks) network.Dispose();
    }
}
