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
        using DisposeScope scope = NewDisposeScope();
        using var noGradients = no_grad();
        using GoldenCase golden = GoldenCase.Open(PipelineGoldens.Area, name);
        PipelineGoldens.RequireKnown(golden);
        StableDiffusionOptions options = PipelineGoldens.Options(golden, kernels);
        using var model = new PipelineModel(golden);
        using StableDiffusionParts parts = StableDiffusionParts.Load(model.Folder, options, RuntimePlan.Choose(options.Runtime));
        ControlNetModel[] networks = PipelineGoldens.Networks(golden, "in.hint", kernels);
        IpAdapter[] adapters = PipelineGoldens.Adapters(golden, parts);
        Painted[] painted = [.. PipelineGoldens.Runs(golden).Select(row => Paint(golden, parts, PipelineRequests.Of(golden, parts, networks, adapters, row), row, scope))];

        golden.AssertMatches("out.latents", cat([.. painted.Select(run => stack(run.States))], 1));
        golden.AssertMatches("out.image", cat([.. painted.Select(run => PictureTensors.ToUnit(parts.Codec.Decode(run.States[^1])))]));
        Picture[] expected = PipelineGoldens.Pictures(golden.Get("out.image_u8")), pictures = [.. painted.SelectMany(run => run.Pictures)];
        Assert.Equal(expected.Select(picture => (picture.Width, picture.Height)), pictures.Select(picture => (picture.Width, picture.Height)));
        for (int i = 0; i < expected.Length; i++) TinyStableDiffusion.AssertClose(expected[i].Data, pictures[i].Data);
        foreach (ControlNetModel network in networks) network.Dispose();
        foreach (IpAdapter adapter in adapters) adapter.Dispose();
    }

    private static Painted Paint(GoldenCase golden, StableDiffusionParts parts, StableDiffusionRequest request, int? row, DisposeScope outside)
    {
        StableDiffusionPlan plan = PipelineRequests.Shortened(golden, new StableDiffusionPlanner(parts).Plan(request));
        var noise = new RecordedNoise(golden, row);
        var states = new List<Tensor>();
        void Keep(Tensor state) => states.Add(state.clone().MoveToOtherDisposeScope(outside));

        using TextTimeline texts = parts.Encode(plan);
        using var denoiser = new GuidedDenoiser(parts.UNet, plan, texts, batched: true);
        var painter = new StableDiffusionPainter(parts, plan, denoiser) { OnState = Keep };
        if (golden.Config["denoising_start"] is null) painter.Paint(request.Count, noise, null, TestContext.Current.CancellationToken);
        else GoOn(golden, parts, plan, denoiser, noise, row, Keep);
        Assert.True(noise.IsUsedUp);
        Tensor latents = states[^1];
        return new Painted(states, [.. Enumerable.Range(0, request.Count).Select(i => painter.Decode(latents.narrow(0, i, 1)))]);
    }

    // What a base model has begun has its noise already: nothing is added to it.
    private static void GoOn(GoldenCase golden, StableDiffusionParts parts, StableDiffusionPlan plan, GuidedDenoiser denoiser, RecordedNoise noise, int? row, Action<Tensor> keep)
    {
        const string Begun = "in.image_latents";
        Assert.True(plan.Request.Mask is null, $"{golden.Name} goes on with a masked picture, which this test does not know");
        int batch = plan.Request.Count;
        Tensor given = golden.Has(Begun) ? golden.Get(Begun, float32) : parts.Codec.Encode(new StartingPicture(plan).Pixels(plan.Device), noise, batch);
        Tensor start = row is { } one ? given.narrow(0, one % given.shape[0], 1) : given.expand(batch, -1, -1, -1).contiguous();
        Tensor Seen(Tensor state, int next)
        {
            keep(state);
            return state;
        }
        plan.Sampler.Sample(
            denoiser.For(null, noise.Shifts), start, like => noise.Draw(like.shape), plan.FirstCall..plan.EndCall, Seen, cancellationToken: TestContext.Current.CancellationToken);
    }

    private sealed record Painted(List<Tensor> States, Picture[] Pictures);
}
