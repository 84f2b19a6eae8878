using System.Text.Json.Nodes;
using Mural.HiDiffusion;
using Mural.Tests.Goldens;
using Mural.Tests.UNet;
using Mural.UNet;

namespace Mural.Tests.HiDiffusion;

/// <summary>When the resampling is on, against the official code, and which networks it recognises.</summary>
[Trait("Area", HiDiffusionGoldens.Area)]
public class HiDiffusionScheduleGoldenTests
{
    public static TheoryData<string> Schedules => HiDiffusionGoldens.Names("schedule");

    public static TheoryData<string> Failures => HiDiffusionGoldens.Names("failures");

    [GoldenTheory, MemberData(nameof(Schedules))]
    public void ResamplingIsOnInTheSameCalls(string name)
    {
        using GoldenCase golden = GoldenCase.Open(HiDiffusionGoldens.Area, name);
        using Tensor rows = golden.Get("out.rows");
        int columns = golden.Config["columns"]!.AsArray().Count;
        foreach (int[] row in HiDiffusionGoldens.Integers(rows).Chunk(columns))
        {
            // Which row of an overwritten table holds depends on the size.
            JsonObject kind = golden.Config["kinds"]![$"{row[0]}"]!.DeepClone().AsObject();
            kind["latent_size"] = new JsonArray(row[1], row[2]);
            HiDiffusionOptions options = HiDiffusionGoldens.Options(golden.Config, kind) with { RauNet = true };
            UNetConfig config = HiDiffusionGoldens.IsXL(HiDiffusionGoldens.Text(kind, "family")) ? UNetConfig.StableDiffusionXL : new UNetConfig();
            HiDiffusionPlan plan = HiDiffusionPlan.For(HiDiffusionGoldens.Architecture(config, kind), row[1], row[2], row[3], options, HiDiffusionGoldens.Controlled(kind));
            Assert.Equal((row[4], row[5], row[6], row[7]), (plan.Strided.Begin, plan.Strided.End, plan.Pooled.Begin, plan.Pooled.End));
        }
    }

    // On networks that are narrow enough for maps of a few positions.
    [GoldenTheory, MemberData(nameof(Failures))]
    public void SizesThatTheOfficialCodeRefusesAreTaken(string name)
    {
        using var quiet = inference_mode();
        using GoldenCase golden = GoldenCase.Open(HiDiffusionGoldens.Area, name);
        using Tensor rows = golden.Get("out.rows");
        using Tensor time = tensor(500f);
        using var shifts = new WindowShifts([5]);
        foreach (IGrouping<bool, int[]> family in HiDiffusionGoldens.Integers(rows).Chunk((int)rows.shape[1]).GroupBy(row => row[0] == 1))
        {
            UNetConfig config = family.Key ? HiDiffusionUNetTests.XL : HiDiffusionUNetTests.First;
            using UNet2DConditionModel network = TinyUNets.Network(config);
            using PreparedPrompt prompt = network.Prepare(TinyUNets.Conditioning(config, batch: 1));
            foreach (int[] row in family)
            {
                using var scope = NewDisposeScope();
                (double strided, double pooled) = (row[1] == 0 ? 1 : 0, row[1] == 1 ? 1 : 0);
                var options = new HiDiffusionOptions { Aggressive = false, T1 = family.Key ? pooled : strided, T2 = family.Key ? strided : pooled };
                HiDiffusionStep step = HiDiffusionPlan.For(HiDiffusionArchitecture.Find(config)!, row[2], row[3], 1, options).At(0, shifts);
                Tensor latents = TinyUNets.Latents(config, row[2], row[3], batch: 1), painted = network.Run(latents, time, prompt, step: step);
                Assert.Equal(latents.shape, painted.shape);
                Assert.True(painted.isfinite().all().item<bool>());
            }
        }
    }

    // Names do not count here: what the official code recognises by its layout is recognised, and what it refuses for small differences too.
    [GoldenTheory, MemberData(nameof(Failures))]
    public void FamiliesAreRecognisedByTheirLayout(string name)
    {
        using GoldenCase golden = GoldenCase.Open(HiDiffusionGoldens.Area, name);
        foreach (JsonNode? entry in golden.Json["family_detection"]!.AsArray())
        {
            string layout = HiDiffusionGoldens.Text(entry, "unet")!;
            UNetConfig config = layout.Contains("refiner", StringComparison.Ordinal)
                ? UNetConfig.StableDiffusionXL with
                {
                    BlockOutChannels = [384, 768, 1536, 1536],
                    DownBlockAttention = [false, true, true, false],
                    UpBlockAttention = [false, true, true, false],
                }
                : layout.Contains("XL", StringComparison.OrdinalIgnoreCase) ? UNetConfig.StableDiffusionXL : new UNetConfig();
            HiDiffusionFamily? expected = layout.Contains("refiner", StringComparison.Ordinal) ? null
                : layout.Contains("XL", StringComparison.OrdinalIgnoreCase) ? HiDiffusionFamily.StableDiffusionXL : HiDiffusionFamily.StableDiffusion;
            Assert.Equal(expected, HiDiffusionArchitecture.Find(config)?.Family);
        }
    }
}
