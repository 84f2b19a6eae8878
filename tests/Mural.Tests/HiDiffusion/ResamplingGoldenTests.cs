using System.Globalization;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Mural.Attention;
using Mural.HiDiffusion;
using Mural.Tests.Goldens;
using Mural.UNet;

namespace Mural.Tests.HiDiffusion;

/// <summary>RAU-Net's resampling, alone and in the blocks that do it, against the official code.</summary>
[Trait("Area", HiDiffusionGoldens.Area)]
public partial class ResamplingGoldenTests
{
    public static TheoryData<string> Operations => HiDiffusionGoldens.Names("resample");

    public static TheoryData<string> Blocks => HiDiffusionGoldens.Names("blocks");

    [GoldenTheory, MemberData(nameof(Operations))]
    public void OperationsMatch(string name)
    {
        using GoldenCase golden = GoldenCase.OpenWithoutGradients(HiDiffusionGoldens.Area, name);
        using var networks = new Networks();
        // A case need not have all of the operations.
        JsonArray Listed(string operation) => golden.Config[operation] as JsonArray ?? [];
        foreach ((int i, JsonNode? one) in Listed("rad").Index())
            golden.AssertMatches($"out.rad.{i}", networks.Find<Downsampler>(one!).ForwardStrided(golden.Get($"in.rad.{i}", float32)));
        foreach ((int i, JsonNode? one) in Listed("rau").Index())
            golden.AssertMatches($"out.rau.{i}", networks.Find<Upsampler>(one!).Forward(golden.Get($"in.rau.{i}", float32), SizeOf(one!["to"])));
        foreach ((int i, _) in Listed("pool").Index())
            golden.AssertMatches($"out.pool.{i}", MapResizing.Halve(golden.Get($"in.pool.{i}", float32)));
        foreach ((int i, JsonNode? one) in Listed("bicubic").Index())
            golden.AssertMatches($"out.bicubic.{i}", MapResizing.Bicubic(golden.Get($"in.bicubic.{i}", float32), SizeOf(one!["to"])));
        foreach (JsonNode? pair in Listed("nearest"))
        {
            (int from, int to) = HiDiffusionGoldens.Size(pair);
            Tensor resized = nn.functional.upsample_nearest2d(arange(from, float32).reshape(1, 1, 1, from), [1, to]);
            Assert.Equal(HiDiffusionGoldens.Integers(golden.Get(string.Create(CultureInfo.InvariantCulture, $"out.nearest.{from}_to_{to}"))), HiDiffusionGoldens.Integers(resized));
        }
    }

    [GoldenTheory, MemberData(nameof(Blocks))]
    public void BlocksMatch(string name)
    {
        using GoldenCase golden = GoldenCase.OpenWithoutGradients(HiDiffusionGoldens.Area, name);
        using UNet2DConditionModel network = HiDiffusionGoldens.LoadUNet(golden);
        T Part<T>(string key) where T : nn.Module => network.named_modules().Select(entry => (entry.name, entry.module))
            .First(entry => entry.name == HiDiffusionGoldens.Text(golden.Config, key)).module as T ?? throw new InvalidOperationException();
        DownBlock down = Part<DownBlock>("down_block");
        UpBlock up = Part<UpBlock>("up_block");
        JsonObject view = View(HiDiffusionGoldens.Text(golden.Config, "up_view")!);
        foreach ((string key, JsonNode? one) in golden.Config["cases"]!.AsObject())
        {
            (int height, int width) = HiDiffusionGoldens.Size(one!["latent_size"]);
            HiDiffusionOptions options = HiDiffusionGoldens.Options(golden.Config, one) with { RauNet = true, WindowAttention = false };
            HiDiffusionPlan plan = HiDiffusionPlan.For(
                HiDiffusionGoldens.Architecture(network.Config, golden.Config, one), height, width, one["N"]!.GetValue<int>(), options, HiDiffusionGoldens.Controlled(one));
            HiDiffusionStep step = plan.At(one["i"]!.GetValue<int>(), new HiDiffusionGoldens.Recorded([]));
            Assert.Equal(one["R"]!.GetValue<bool>(), step.StridedLevel is not null);
            Assert.Equal(one["P"]!.GetValue<bool>(), step.PooledLevel is not null);

            Tensor context = golden.Get($"in.{key}.context", float32), time = nn.functional.silu(golden.Get($"in.{key}.temb", float32));
            using PreparedPrompt prompt = network.Prepare(Conditioning(network.Config, context));
            var inputs = new BlockInputs(time, prompt, null, step);
            List<Tensor> skips = [golden.Get($"in.{key}.down_in", float32)];
            down.Forward(skips, inputs);
            for (int i = 1; i < skips.Count; i++) golden.AssertMatches($"out.{key}.down_skip{i - 1}", skips[i]);

            // The skips of the way up come last first; the one below them says how far the block enlarges.
            (int toHeight, int toWidth) = HiDiffusionGoldens.Size(one["upsample_to"]);
            List<Tensor> joined = [zeros(1, 1, toHeight, toWidth)];
            for (int i = 2; i >= 0; i--) joined.Add(golden.Get($"in.{key}.skip{i}", float32));
            HiDiffusionGoldens.AssertView(golden, $"out.{key}.up", up.Forward(golden.Get($"in.{key}.up_in", float32), joined, inputs), view);
        }
    }

    private static UNetConditioning Conditioning(UNetConfig config, Tensor context) => new(context)
    {
        PooledText = config.SizeEmbeddingWidth is { } width ? zeros(context.shape[0], config.AddedEmbeddingWidth!.Value - 6 * width) : null,
        SizeNumbers = config.SizeEmbeddingWidth is null ? null : zeros(context.shape[0], 6),
    };

    private static JsonObject View(string text)
    {
        int[] numbers = [.. Slices().Match(text).Groups.Values.Skip(1).Select(group => int.Parse(group.Value, CultureInfo.InvariantCulture))];
        return new JsonObject { ["start"] = new JsonArray(numbers[0], numbers[2]), ["step"] = new JsonArray(numbers[1], numbers[3]) };
    }

    [GeneratedRegex(@"\[:, :, (\d+)::(\d+), (\d+)::(\d+)\]")]
    private static partial Regex Slices();

    private static MapSize SizeOf(JsonNode? pair)
    {
        (int height, int width) = HiDiffusionGoldens.Size(pair);
        return new MapSize(height, width);
    }

    /// <summary>The networks that the operations come from.</summary>
    private sealed class Networks : IDisposable
    {
        private readonly Dictionary<string, UNet2DConditionModel> _loaded = [];

        internal T Find<T>(JsonNode one) where T : nn.Module
        {
            string model = HiDiffusionGoldens.Text(one, "model")!;
            if (!_loaded.TryGetValue(model, out UNet2DConditionModel? network)) _loaded.Add(model, network = HiDiffusionGoldens.LoadUNet(model));
            return (T)network.named_modules().First(entry => entry.name == HiDiffusionGoldens.Text(one, "module")).module;
        }

        public void Dispose()
        {
            foreach (UNet2DConditionModel network in _loaded.Values) network.Dispose();
        }
    }
}
