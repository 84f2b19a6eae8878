using System.Text.Json.Nodes;
using Mural.Imaging;
using Mural.Pipelines;
using Mural.Tests.Goldens;
using Mural.Tests.LinFusion;

namespace Mural.Tests.Pipelines;

/// <summary>The SDEdit chain of the official notebook, stage by stage: a stage starts from the case's picture of the one before.</summary>
[Trait("Area", LinFusionGoldens.Area)]
public class SdEditGoldenTests
{
    public static TheoryData<string> Cases =>
        GoldenCase.Names(LinFusionGoldens.Area, golden => golden.Config["stages"] is JsonArray && golden.Config["base"] is JsonArray && golden.Has("out.stage0.image_u8"));

    [GoldenTheory, MemberData(nameof(Cases))]
    public void ChainIsTheOfficialOne(string name)
    {
        using GoldenCase golden = GoldenCase.OpenWithoutGradients(LinFusionGoldens.Area, name);
        using StableDiffusionParts parts = LargePictureGoldens.Load(golden);
        int[] size = [.. golden.Config["base"]!.AsArray().Select(side => side!.GetValue<int>())];
        StableDiffusionRequest picture = LargePictureGoldens.Request(golden, parts, 0, UpscaleMethod.SdEdit, 1, 1).Picture with { Height = size[0], Width = size[1] };
        var planner = new LargePicturePlanner(new StableDiffusionPlanner(parts), parts.Info);
        var draws = new RecordedDraws(golden, 0);
        JsonArray stages = golden.Config["stages"]!.AsArray();
        for (int stage = 0; stage <= stages.Count; stage++)
        {
            JsonNode? about = stage == 0 ? null : stages[stage - 1];
            int ratio = about?["ratio"]!.GetValue<int>() ?? 1;
            ((FullCodec)parts.Codec).Tiles = about?["vae_tiling"]!.GetValue<bool>() == true ? LargePictureGoldens.Tiles(golden.Config["vae_tile_when_on"]!) : null;
            Picture? enlarged = null;
            if (stage > 0)
            {
                Picture before = LargePictureGoldens.PictureOf(golden.Get($"out.stage{stage - 1}.image_u8"));
                enlarged = PictureResizer.Resize(before, ratio * size[1], ratio * size[0], ResizeFilter.Bicubic);
                string input = $"mid.stage{stage}.input_u8";
                if (golden.Has(input)) Assert.Equal(golden.Get(input).contiguous().data<byte>().ToArray(), enlarged.Data);
            }
            LargePicturePlan chain = planner.Plan(new LargePictureRequest { Picture = picture, Height = ratio * size[0], Width = ratio * size[1] });
            StableDiffusionPlan plan = chain.Stages[^1].Plan with { Request = picture with { InitialPicture = enlarged } };
            // A chain doubles; a case may enlarge by other whole numbers too.
            if (int.IsPow2(ratio)) Assert.Equal((ratio * size[0], ratio * size[1]), (plan.Height, plan.Width));
            plan = plan with { Height = ratio * size[0], Width = ratio * size[1] };
            // The case's strengths do not fall evenly as those of a chain do.
            if (about is not null) plan = plan with { FirstCall = plan.Sampler.FirstCall(about["strength"]!.GetValue<double>()) };
            Assert.Equal([.. golden.Config["timesteps"]![stage]!.AsArray().Select(value => value!.GetValue<double>())], plan.Sampler.Timesteps.Skip(plan.FirstCall));
            var states = new List<Tensor>();
            using TextTimeline texts = parts.Encode(plan);
            using var denoiser = new GuidedDenoiser(parts.UNet, plan, texts, batched: true);
            var painter = new StableDiffusionPainter(parts, plan, denoiser) { OnState = state => states.Add(state.clone().DetachFromDisposeScope()) };
            Tensor latent = painter.Paint(1, draws, null, TestContext.Current.CancellationToken);
            for (int step = 0; step < states.Count; step++) golden.AssertMatches($"out.stage{stage}.latent_after_step{step + 1}", states[step]);
            LargePictureGoldens.AssertPicture(golden, $"out.stage{stage}.image_u8", 0, PictureTensors.ToPictures(parts.Codec.Decode(latent))[0]);
        }
    }
}
