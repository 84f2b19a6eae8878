using System.Text.Json.Nodes;
using Mural.HiDiffusion;
using Mural.Tests.Goldens;
using Mural.UNet;

namespace Mural.Tests.HiDiffusion;

/// <summary>When the resampling is on, against the official code, and which networks it recognises.</summary>
[Trait("Area", HiDiffusionGoldens.Area)]
public class HiDiffusionScheduleGoldenTests
{
    public static TheoryData<string> Schedules => HiDiffusionGoldens.Names("schedule");

    public static TheoryData<string> Failures => HiDiffusionGoldens.Names("failures");

    [Theory, MemberData(nameof(Schedules))]
    public void ResamplingIsOnInTheSameCalls(string name)
    {
        using GoldenCase golden = GoldenCase.Open(HiDiffusionGoldens.Area, name);
        using Tensor rows = golden.Get("out.rows");
        int columns = golden.Config["columns"]!.AsArray().Count;
        foreach (int[] row in HiDiffusionGoldens.Integers(rows).Chunk(columns))
        {
            JsonNode kind = golden.Config["kinds"]![$"{row[0]}"]!;
            HiDiffusionOptions options = HiDiffusionGoldens.Options(new JsonObject { ["family"] = "", ["raunet"] = true }, null) with
            {
                Aggressive = HiDiffusionGoldens.Flag(kind, "is_inpainting_task") || HiDiffusionGoldens.Flag(kind, "is_playground") ? false : null,
            };
            UNetConfig config = HiDiffusionGoldens.Text(kind, "family") == "sd15" ? new UNetConfig() : UNetConfig.StableDiffusionXL;
            HiDiffusionPlan plan = HiDiffusionPlan.For(
                HiDiffusionGoldens.Architecture(config, kind), row[1], row[2], row[3], options, HiDiffusionGoldens.Flag(kind, "text_to_img_controlnet"));
            Assert.Equal((row[4], row[5], row[6], row[7]), (plan.Strided.Begin, plan.Strided.End, plan.Pooled.Begin, plan.Pooled.End));
        }
    }

    // Names do not count here: what the official code recognises by its layout is recognised, and what it refuses for small differences too.
    [Theory, MemberData(nameof(Failures))]
    public void FamiliesAreRecognisedByTheirLayout(string name)
    {
        using GoldenCase golden = GoldenCase.Open(HiDiffusionGoldens.Area, name);
        foreach (JsonNode? entry in golden.Json["family_detection"]!.AsArray())
        {
            string layout = HiDiffusionGoldens.Text(entry, "unet")!;
            UNetConfig config = layout.Contains("refiner", StringComparison.Ordinal)
                ? UNetConfig.StableDiffusionXL with { BlockOutChannels = [384, 768, 1536, 1536], DownBlockAttention = [false, true, true, false], UpBlockAttention = [false, true, true, false] }
                : layout.Contains("XL", StringComparison.OrdinalIgnoreCase) ? UNetConfig.StableDiffusionXL : new UNetConfig();
            HiDiffusionFamily? expected = layout.Contains("refiner", StringComparison.Ordinal) ? null
                : layout.Contains("XL", StringComparison.OrdinalIgnoreCase) ? HiDiffusionFamily.StableDiffusionXL : HiDiffusionFamily.StableDiffusion;
            Assert.Equal(expected, HiDiffusionArchitecture.Find(config)?.Family);
        }
    }
}
