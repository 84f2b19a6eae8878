using System.Text.Json.Nodes;
using Mural.HiDiffusion;
using Mural.Runtime;
using Mural.Tests.Goldens;
using Mural.Tests.UNet;
using Mural.UNet;

namespace Mural.Tests.HiDiffusion;

/// <summary>Whole UNets, in each phase, against the official code. A case is recognised by its kind.</summary>
[Trait("Area", HiDiffusionGoldens.Area)]
public class HiDiffusionUNetGoldenTests
{
    public static TheoryData<string, KernelSet?, ScalarType> Cases => HiDiffusionGoldens.Cases("unet", most: 9, UNetGoldens.Ways.Select(row => row.Data));

    [GoldenTheory, MemberData(nameof(Cases))]
    public void MatchesTheOfficialNetwork(string name, KernelSet? kernels, ScalarType type)
    {
        using GoldenCase golden = GoldenCase.OpenWithoutGradients(HiDiffusionGoldens.Area, name);
        using UNet2DConditionModel network = HiDiffusionGoldens.LoadUNet(golden);
        if (kernels is { } chosen) network.PrepareForInference(chosen, type);
        using PreparedPrompt prompt = network.Prepare(new UNetConditioning(golden.Get("in.context", type))
        {
            PooledText = golden.Has("in.text_embeds") ? golden.Get("in.text_embeds") : null,
            SizeNumbers = golden.Has("in.time_ids") ? golden.Get("in.time_ids") : null,
        });
        Tensor sample = HiDiffusionGoldens.Sample(golden), time = tensor(golden.Config["timestep_value"]!.GetValue<float>());
        foreach (JsonNode? evaluation in golden.Config["evaluations"]!.AsArray())
        {
            string key = HiDiffusionGoldens.Text(evaluation, "name")!;
            HiDiffusionStep step = Step(golden, evaluation!, key, network.Config);
            using ControlResiduals? residuals = evaluation!["residuals"]?.GetValue<bool>() == false ? null : Residuals(golden);
            var maps = new Dictionary<string, string>();
            Dictionary<object, string> names = network.named_modules().Where(entry => entry.module is DownBlock or UpBlock or MidBlock)
                .ToDictionary(entry => (object)entry.module, entry => entry.name);
            void Observe(object part, Tensor map)
            {
                if (names.TryGetValue(part, out string? block)) maps.Add(block, string.Join('x', map.shape[1..]));
            }
            Tensor output = network.Run(sample, time, prompt, residuals, Observe, step);
            if (type == float32) HiDiffusionGoldens.AssertView(golden, $"out.{key}", output, golden.Config["view"]);
            else golden.AssertCloseInBFloat16($"out.{key}", HiDiffusionGoldens.Viewed(output, golden.Config["view"]));
            AssertMaps(golden.Json["observed"]![key]!, maps);
        }
    }

    // The official code's own decision, the plan's, and the shifts that it drew.
    private static HiDiffusionStep Step(GoldenCase golden, JsonNode evaluation, string key, UNetConfig config)
    {
        (int height, int width) = HiDiffusionGoldens.Size(golden.Config["latent_size"]);
        HiDiffusionPlan plan = HiDiffusionPlan.For(
            HiDiffusionGoldens.Architecture(config, golden.Config, evaluation), height, width, golden.Config["num_timesteps_N"]!.GetValue<int>(),
            HiDiffusionGoldens.Options(golden.Config, evaluation), HiDiffusionGoldens.Controlled(evaluation));
        string drawn = $"in.shift_k.{key}";
        int[] shifts = golden.Has(drawn) ? HiDiffusionGoldens.Integers(golden.Get(drawn)) : [];
        if (golden.Has(drawn)) Assert.Equal(shifts, golden.Get($"in.shift_u.{key}").data<float>().ToArray().Select(uniform => WindowShifts.Of(uniform)));
        HiDiffusionStep step = plan.At(evaluation["i"]!.GetValue<int>(), new HiDiffusionGoldens.Recorded(shifts));
        JsonNode observed = golden.Json["observed"]![key]!;
        Assert.Equal((HiDiffusionGoldens.Flag(observed, "R"), HiDiffusionGoldens.Flag(observed, "P")), (step.StridedLevel is not null, step.PooledLevel is not null));
        Assert.Equal(
            observed["windowed_tokens"]!.AsArray().Select(entry => entry!.GetValue<string>().Split(':')[0]),
            step.Windows.Keys.Select(place => HiDiffusionGoldens.NameOf(place, config)));
        return step;
    }

    private static ControlResiduals? Residuals(GoldenCase golden)
    {
        if (!golden.Has("in.residual.mid")) return null;
        int count = golden.Tensors.Keys.Count(name => name.StartsWith("in.residual.", StringComparison.Ordinal)) - 1;
        return new ControlResiduals(Enumerable.Range(0, count).Select(i => golden.Get($"in.residual.{i}")), golden.Get("in.residual.mid"));
    }

    private static void AssertMaps(JsonNode observed, Dictionary<string, string> maps)
    {
        var expected = new Dictionary<string, string>();
        foreach (string[] entry in observed["maps"]!.AsArray().Select(entry => entry!.GetValue<string>().Split(": ")))
            expected[entry[0].Split(" skip ")[0]] = entry[1];
        foreach ((string block, string size) in maps) Assert.Equal((block, expected[block]), (block, size));
        Assert.Equal(expected.Count - 1, maps.Count);
    }
}
