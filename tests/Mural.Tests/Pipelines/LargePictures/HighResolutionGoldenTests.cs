using Mural.Imaging;
using Mural.Pipelines;
using Mural.Samplers;
using Mural.Tests.Goldens;
using Mural.Tests.LinFusion;

namespace Mural.Tests.Pipelines;

/// <summary>
/// The official high-resolution and super-resolution pipelines of SDXL, stage by stage: a stage starts from the case's picture of the one before. The official code scales some
/// inputs for another noise level (LinFusion specification 5.2, hazards); the tests put that back in.
/// </summary>
[Trait("Area", LinFusionGoldens.Area)]
public class HighResolutionGoldenTests
{
    public static TheoryData<string> Chains =>
        GoldenCase.Names(LinFusionGoldens.Area, golden => golden.Config["upscale_strength"] is not null && golden.Has("out.stage0.latent_after_step1"));

    public static TheoryData<string> SuperResolutions =>
        GoldenCase.Names(LinFusionGoldens.Area, golden => golden.Config["upscale_strength"] is not null && golden.Has("in.image_u8") && golden.Has("out.latent_final"));

    [GoldenTheory, MemberData(nameof(Chains))]
    public void ChainIsTheOfficialOne(string name)
    {
        using GoldenCase golden = GoldenCase.OpenWithoutGradients(LinFusionGoldens.Area, name);
        using StableDiffusionParts parts = LargePictureGoldens.Load(golden);
        ((FullCodec)parts.Codec).Tiles = LargePictureGoldens.Tiles(golden);
        int prompts = LargePictureGoldens.Prompts(golden).Length;
        LargePicturePlan[] plans = [.. Enumerable.Range(0, prompts).Select(i =>
            new LargePicturePlanner(new StableDiffusionPlanner(parts), parts.Info).Plan(LargePictureGoldens.Request(
                golden, parts, i, UpscaleMethod.HighResolution, LargePictureGoldens.Number(golden, "height"), LargePictureGoldens.Number(golden, "width"))))];
        RecordedDraws[] draws = [.. Enumerable.Range(0, prompts).Select(i => new RecordedDraws(golden, i))];
        var anchors = new ChannelStatistics[prompts];
        for (int stage = 0; stage < plans[0].Stages.Count; stage++)
        {
            StageResult[] results = [.. Enumerable.Range(0, prompts).Select(i => Stage(golden, parts, plans[i], stage, i, draws[i], anchors))];
            for (int step = 0; step < results[0].States.Count; step++)
                golden.AssertMatches($"out.stage{stage}.latent_after_step{step + 1}", cat([.. results.Select(result => result.States[step])]));
            double[] timesteps = [.. golden.Config["timesteps"]![stage]!.AsArray().Select(value => value!.GetValue<double>())];
            Assert.Equal(timesteps, plans[0].Stages[stage].Plan.Sampler.Timesteps.TakeLast(results[0].States.Count));
            golden.AssertMatches($"out.stage{stage}.decoder_input", cat([.. results.Select(result => result.Latent)]) / ScalingFactor(parts));
            for (int i = 0; i < prompts; i++)
                LargePictureGoldens.AssertPicture(golden, $"out.stage{stage}.image_u8", i, PictureTensors.ToPictures(parts.Codec.Decode(results[i].Latent))[0]);
        }
    }

    [GoldenTheory, MemberData(nameof(SuperResolutions))]
    public void SuperResolutionIsTheOfficialOne(string name)
    {
        using GoldenCase golden = GoldenCase.OpenWithoutGradients(LinFusionGoldens.Area, name);
        using StableDiffusionParts parts = LargePictureGoldens.Load(golden);
        ((FullCodec)parts.Codec).Tiles = LargePictureGoldens.Tiles(golden);
        Picture given = LargePictureGoldens.PictureOf(golden.Get("in.image_u8"));
        int prompts = LargePictureGoldens.Prompts(golden).Length;
        var results = new List<StageResult>();
        for (int i = 0; i < prompts; i++)
        {
            LargePictureRequest request = LargePictureGoldens.Request(
                golden, parts, i, UpscaleMethod.SuperResolution, LargePictureGoldens.Number(golden, "height"), LargePictureGoldens.Number(golden, "width"));
            LargePicturePlan plan = new LargePicturePlanner(new StableDiffusionPlanner(parts), parts.Info)
                .Plan(request with { Picture = request.Picture with { InitialPicture = given } });
            LargePictureStage stage = plan.Stages[^1];
            double[] timesteps = [.. golden.Config["timesteps"]!.AsArray().Select(value => value!.GetValue<double>())];
            Assert.Equal(timesteps, stage.Plan.Sampler.Timesteps.TakeLast(stage.Calls));
            Picture enlarged = PictureResizer.Resize(given, stage.Width, stage.Height, ResizeFilter.Bicubic);
            const string Resized = "mid.resized_u8_every3";
            if (golden.Has(Resized)) Assert.Equal(golden.Get(Resized).contiguous().data<byte>().ToArray(), LargePictureGoldens.EveryThird(enlarged));
            var draws = new RecordedDraws(golden, i);
            Tensor clean = parts.Codec.Encode(PictureTensors.FromPicture(enlarged), draws, 1);
            results.Add(Enlarge(parts, plan, stage, clean, draws, ChannelStatistics.Of(clean), first: null));
        }
        for (int step = 0; step < results[0].States.Count; step++)
            golden.AssertMatches($"out.latent_after_step{step + 1}", cat([.. results.Select(result => result.States[step])]));
        golden.AssertMatches("out.latent_final", cat([.. results.Select(result => result.Latent)]));
    }

    private static double ScalingFactor(StableDiffusionParts parts)
    {
        using Tensor one = ones(1, 4, 1, 1), unscaled = ((FullCodec)parts.Codec).Unscaled(one);
        return 1 / unscaled[0, 0, 0, 0].item<float>();
    }

    private static StageResult Stage(GoldenCase golden, StableDiffusionParts parts, LargePicturePlan plan, int stage, int prompt, RecordedDraws draws, ChannelStatistics[] anchors)
    {
        if (stage == 0)
        {
            StageResult first = Begin(parts, plan.Stages[0].Plan, draws);
            anchors[prompt] = ChannelStatistics.Of(first.Latent);
            return first;
        }
        LargePictureStage next = plan.Stages[stage];
        Picture before = LargePictureGoldens.PictureOf(golden.Get($"out.stage{stage - 1}.image_u8")[prompt]);
        Picture enlarged = PictureResizer.Resize(before, next.Width, next.Height, ResizeFilter.Bicubic);
        string input = $"mid.stage{stage}.input_u8";
        if (prompt == 0 && golden.Has(input)) Assert.Equal(golden.Get(input)[0].contiguous().data<byte>().ToArray(), enlarged.Data);
        Tensor clean = parts.Codec.Encode(PictureTensors.FromPicture(enlarged), draws, 1);
        return Enlarge(parts, plan, next, clean, draws, anchors[prompt], first: 0);
    }

    private static StageResult Begin(StableDiffusionParts parts, StableDiffusionPlan plan, RecordedDraws draws)
    {
        var states = new List<Tensor>();
        using TextTimeline texts = parts.Encode(plan);
        using var denoiser = new GuidedDenoiser(parts.UNet, plan, texts, batched: true);
        var painter = new StableDiffusionPainter(parts, plan, denoiser) { OnState = state => states.Add(state.clone().DetachFromDisposeScope()) };
        return new StageResult(states, painter.Paint(1, draws, null, TestContext.Current.CancellationToken));
    }

    // The official code looks the scale up at an index that has moved on already, and in a chain at the end of the stage before.
    private static StageResult Enlarge(
        StableDiffusionParts parts, LargePicturePlan plan, LargePictureStage stage, Tensor clean, RecordedDraws draws, ChannelStatistics anchor, double? first)
    {
        Sampler sampler = stage.Plan.Sampler;
        int start = stage.Plan.FirstCall;
        LatentDenoiser Scaled(LatentDenoiser inner, Func<int, double> sigma) => (input, call) =>
        {
            double own = sampler.Sigmas[start + call.Index], used = sigma(call.Index);
            return inner(input * Math.Sqrt((own * own + 1) / (used * used + 1)), call);
        };
        var states = new List<Tensor>();
        using TextTimeline texts = parts.Encode(stage.Plan);
        using var denoiser = new GuidedDenoiser(parts.UNet, stage.Plan, texts, batched: true);
        LatentDenoiser network = denoiser.For(null, draws.Shifts);
        var sampling = new DilatedSampling(
            sampler,
            Scaled(network, index => index == 0 && first is { } stale ? stale : sampler.Sigmas[start + index]),
            Scaled(parts.UNet.Dilated(network, stage.Ratio), index => sampler.Sigmas[start + index + 1]),
            plan.Request.Dilation,
            stage.Ratio)
        {
            OnState = state => states.Add(state.clone().DetachFromDisposeScope()),
        };
        Tensor drawn = draws.Draw(clean.shape);
        return new StageResult(states, anchor.GiveTo(sampling.Run(
            clean, drawn, start, _ => throw new InvalidOperationException("Euler draws nothing."), null, TestContext.Current.CancellationToken)));
    }

    private sealed record StageResult(List<Tensor> States, Tensor Latent);
}
