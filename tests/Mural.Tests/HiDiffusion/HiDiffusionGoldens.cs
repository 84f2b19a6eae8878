using System.Globalization;
using System.Text.Json.Nodes;
using Mural.HiDiffusion;
using Mural.Runtime;
using Mural.Tests.Goldens;
using Mural.Tests.UNet;
using Mural.UNet;

namespace Mural.Tests.HiDiffusion;

/// <summary>What the cases of the area have in common.</summary>
internal static class HiDiffusionGoldens
{
    internal const string Area = "hidiffusion";

    private const string Turbo = "sdxl_turbo";

    /// <summary>Asks for the cases that take minutes too.</summary>
    private static readonly bool Slow = Environment.GetEnvironmentVariable("MURAL_HIDIFFUSION") == "full";

    /// <summary>Seconds of the official code up to which cases are run that another root brings: they are there to be run, not to be run often.</summary>
    private const double MostOfGiven = 60;

    internal static TheoryData<string> Names(string kind) => GoldenCase.Names(Area, golden => Text(golden.Config, "kind") == kind);

    internal static string? Text(JsonNode? node, string key) => node?[key]?.GetValue<string>();

    internal static double? Number(JsonNode? node, string key) => node?[key]?.GetValue<double>();

    internal static bool Flag(JsonNode? node, string key) => node?[key]?.GetValue<bool>() == true;

    internal static (int Height, int Width) Size(JsonNode? pair) => (pair![0]!.GetValue<int>(), pair[1]!.GetValue<int>());

    /// <summary>
    /// Every case of a kind, in each of these ways: with our kernels in float32 always, but skipped where that takes minutes; otherwise where the case is cheap.
    /// </summary>
    /// <param name="kind">The kind.</param>
    /// <param name="most">Seconds that the official code took for the longest case of the repository that is always run.</param>
    /// <param name="ways">The ways.</param>
    internal static TheoryData<string, KernelSet?, ScalarType> Cases(string kind, double most, IEnumerable<(KernelSet? Kernels, ScalarType Type)> ways)
    {
        const double MostOfOtherWays = 1;
        double longest = GoldenCase.RootIsGiven ? Math.Max(most, MostOfGiven) : most;
        var rows = new TheoryData<string, KernelSet?, ScalarType>();
        foreach (string name in Names(kind).Select(row => row.Data))
        {
            double seconds = GoldenCase.ReadJson(Area, name)["seconds_one_core_python"]?["float32"]?.GetValue<double>() ?? 0;
            foreach ((KernelSet? kernels, ScalarType type) in ways)
            {
                bool ours = (kernels, type) is (KernelSet.Mural, ScalarType.Float32);
                if (!ours && seconds > MostOfOtherWays) continue;
                string? skip = Slow || seconds <= longest ? null : "takes minutes; MURAL_HIDIFFUSION=full runs it";
                rows.Add(new TheoryDataRow<string, KernelSet?, ScalarType>(name, kernels, type) { Skip = skip });
            }
        }
        return rows;
    }

    /// <summary>What the official code does under the name and flags that a case or one of its evaluations gives.</summary>
    internal static HiDiffusionOptions Options(JsonNode config, JsonNode? evaluation = null)
    {
        string family = FamilyOf(config, evaluation)!;
        JsonNode? size = evaluation?["latent_size"] ?? config["latent_size"];
        JsonNode? table = evaluation?["thresholds_overwritten"] ?? config["thresholds_overwritten"];
        (string? preset, JsonNode? overwritten) = Overwritten(table?.AsObject(), family, size is JsonArray ? Size(size) : null);
        bool Named(string word) => family.Contains(word, StringComparison.Ordinal) || Text(config, "official_name")?.Contains(word, StringComparison.Ordinal) == true;
        bool Flagged(string key) => Flag(evaluation, key);
        bool named = Named("inpainting") || Named("playground") || Flagged("playground") || Flagged("is_playground") || Flagged("is_inpainting_task");
        return new HiDiffusionOptions
        {
            T1 = Number(overwritten, "T1_ratio"),
            // The official code has no strided convolution for the turbo family, whatever the table says.
            T2 = family == Turbo ? null : Number(overwritten, "T2_ratio"),
            // The official code goes by name and size alone, whatever the thresholds are.
            Aggressive = named ? false : preset == "sdxl_2048" ? true : null,
            RauNet = Flag(evaluation ?? config, "raunet"),
            WindowAttention = evaluation is null ? Flag(config, "windows") : Flag(evaluation, "window"),
            ResizeOddMaps = true,
        };
    }

    /// <summary>Whether an evaluation is one of text to picture under the control of a picture.</summary>
    internal static bool Controlled(JsonNode? evaluation) => Flag(evaluation, "text_to_image_controlnet") || Flag(evaluation, "text_to_img_controlnet");

    // The row of a table that holds for the family at that size, or the first where that is not told.
    private static (string? Preset, JsonNode? Thresholds) Overwritten(JsonObject? table, string family, (int Height, int Width)? size)
    {
        if (table is null) return default;
        string preset;
        if (family == Turbo) preset = "sdxl_turbo_1024";
        else if (size is not { } known) preset = table.First().Key;
        else
        {
            bool xl = IsXL(family);
            int large = Math.Min(known.Height, known.Width) >= (xl ? 512 : 256) ? 2 : 1;
            preset = string.Create(CultureInfo.InvariantCulture, $"{(xl ? "sdxl" : "sd15")}_{(xl ? 2048 : 1024) * large}");
        }
        return table[preset] is { } row ? (preset, row) : default;
    }

    /// <summary>The official code resamples at every size, and knows by a model's name that it was distilled.</summary>
    internal static HiDiffusionArchitecture Architecture(UNetConfig config, JsonNode? golden, JsonNode? evaluation = null) =>
        HiDiffusionArchitecture.Find(config, fewSteps: FamilyOf(golden, evaluation) == Turbo)! with { TrainedSide = 0 };

    /// <summary>Whether a family, as cases call it, is SDXL's or made from it.</summary>
    internal static bool IsXL(string? family) => family?.StartsWith("sdxl", StringComparison.Ordinal) == true;

    private static string? FamilyOf(JsonNode? config, JsonNode? evaluation) => Text(evaluation, "family") ?? Text(config, "family");

    internal static UNet2DConditionModel LoadUNet(GoldenCase golden)
    {
        if (golden.Json["model"] is not null) return UNetGoldens.Load(golden);
        var network = new UNet2DConditionModel(UNetConfigJson.Parse(golden.Config["unet_config"]!.ToJsonString(), golden.Name));
        golden.Change(network);
        return network;
    }

    internal static UNet2DConditionModel LoadUNet(string model) => UNet2DConditionModel.FromFolder(Path.Combine(GoldenCase.Model(model), "unet"));

    /// <summary>Latents, which large cases bring in two parts.</summary>
    internal static Tensor Sample(GoldenCase golden)
    {
        if (golden.Has("in.sample")) return golden.Get("in.sample", float32);
        using var scope = NewDisposeScope();
        (long height, long width) = Size(golden.Config["latent_size"]);
        Tensor Indices(long count, Func<Tensor, Tensor> rule) => rule(arange(count, int64));
        Tensor coarse = golden.Get("in.sample_coarse", float32), fine = golden.Get("in.sample_fine", float32);
        Tensor large = coarse.index_select(2, Indices(height, y => y.div(8, RoundingMode.floor).to(int64)))
            .index_select(3, Indices(width, x => x.div(8, RoundingMode.floor).to(int64)));
        Tensor small = fine.index_select(2, Indices(height, y => y.remainder(61))).index_select(3, Indices(width, x => x.remainder(53)));
        return (large + small).MoveToOuterDisposeScope();
    }

    /// <summary>Compares the part of a map that the case holds, and statistics of the whole.</summary>
    internal static void AssertView(GoldenCase golden, string name, Tensor full, JsonNode? view)
    {
        using var scope = NewDisposeScope();
        golden.AssertMatches(name, Viewed(full, view));
        if (golden.Has(name + ".stats")) AssertStatistics(golden, name + ".stats", full);
    }

    /// <summary>The part of a map that a case holds: all of it where the view is none.</summary>
    internal static Tensor Viewed(Tensor full, JsonNode? view)
    {
        if (view is not JsonObject) return full;
        (int top, int left) = Size(view["start"]);
        (int rows, int columns) = Size(view["step"]);
        return full.slice(2, top, full.shape[2], rows).slice(3, left, full.shape[3], columns);
    }

    /// <summary>Compares mean, deviation, least and greatest value.</summary>
    internal static void AssertStatistics(GoldenCase golden, string name, Tensor full)
    {
        using Tensor expected = golden.Get(name, float64);
        AssertStatistics(golden, expected, full);
    }

    internal static void AssertStatistics(GoldenCase golden, Tensor expected, Tensor full)
    {
        using var scope = NewDisposeScope();
        Tensor wide = full.to(float64);
        double[] found = [wide.mean().item<double>(), wide.std(unbiased: false).item<double>(), wide.min().item<double>(), wide.max().item<double>()];
        double allowed = golden.Json["tolerance"]!["max_abs"]!.GetValue<double>();
        for (int i = 0; i < found.Length; i++) Assert.Equal(expected[i].item<double>(), found[i], allowed);
    }

    internal static int[] Integers(Tensor tensor) => [.. tensor.to(int32).contiguous().data<int>().ToArray()];

    /// <summary>A block's name in diffusers.</summary>
    internal static string NameOf(BlockPlace place, UNetConfig config) => string.Create(CultureInfo.InvariantCulture, $"{place.Path switch
    {
        BlockPath.Down => $"down_blocks.{place.Level}",
        BlockPath.Up => $"up_blocks.{config.BlockOutChannels.Count - 1 - place.Level}",
        _ => "mid_block",
    }}.attentions.{place.Attention}.transformer_blocks.{place.Depth}");

    /// <summary>The shifts that a case recorded for one call.</summary>
    internal sealed class Recorded(int[] shifts) : IWindowShifts
    {
        public IReadOnlyList<int> Next(int block) => [shifts[block]];
    }
}
