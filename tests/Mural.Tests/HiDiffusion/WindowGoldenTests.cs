using System.Text.Json.Nodes;
using Mural.Attention;
using Mural.HiDiffusion;
using Mural.Runtime;
using Mural.Tests.Goldens;
using Mural.UNet;

namespace Mural.Tests.HiDiffusion;

/// <summary>Cutting maps into windows, drawing their shifts, and whole transformer blocks against the official code.</summary>
[Trait("Area", HiDiffusionGoldens.Area)]
public class WindowGoldenTests
{
    public static TheoryData<string> Cuts => HiDiffusionGoldens.Names("windows");

    public static TheoryData<string> Draws => HiDiffusionGoldens.Names("shift_rng");

    public static TheoryData<string> Blocks => HiDiffusionGoldens.Names("transformer_block");

    [GoldenTheory, MemberData(nameof(Cuts))]
    public void WindowsAreCutAndJoined(string name)
    {
        using var scope = NewDisposeScope();
        using GoldenCase golden = GoldenCase.Open(HiDiffusionGoldens.Area, name);
        foreach ((string key, JsonNode? one) in golden.Config["cases"]!.AsObject())
        {
            (int height, int width) = HiDiffusionGoldens.Size(one!["map"]);
            int shift = one["k"]!.GetValue<int>();
            Assert.Equal(shift, WindowShifts.Of(one["draw"]!.GetValue<double>()));
            using var attention = new Answering(golden.Get($"in.{key}.attn"));
            Tensor tokens = golden.Get($"in.{key}.x");
            Tensor joined = WindowAttention.Forward(attention, tokens, new MapSize(height, width), [shift], resizesOddMaps: true);
            golden.AssertMatches($"out.{key}.windows", attention.Asked!);
            golden.AssertMatches($"out.{key}.joined", joined);
            if (HiDiffusionGoldens.Flag(one, "resized_to_even")) continue;
            JsonNode exact = JsonNode.Parse("""{"relative_l2": 0, "max_abs": 0}""")!;
            golden.AssertMatches($"out.{key}.windows", attention.Asked!, exact);
            golden.AssertMatches($"out.{key}.joined", joined, exact);
        }
    }

    [GoldenTheory, MemberData(nameof(Draws))]
    public void ShiftsAreDrawnFromASeed(string name)
    {
        using var scope = NewDisposeScope();
        using GoldenCase golden = GoldenCase.Open(HiDiffusionGoldens.Area, name);
        long[] seeds = [.. golden.Config["seeds"]!.AsArray().Select(seed => seed!.GetValue<long>())];
        for (int row = 0; row < seeds.Length; row++)
        {
            using var source = new SeededRandom(seeds[row]);
            float[] numbers = [.. golden.Get("out.u")[row].data<float>().ToArray()];
            float[] drawn = [.. numbers.Select(_ => WindowShifts.Uniform(source))];
            Assert.Equal(numbers, drawn);
            Assert.Equal(HiDiffusionGoldens.Integers(golden.Get("out.k")[row]), drawn.Select(uniform => WindowShifts.Of(uniform)));
        }
    }

    [GoldenTheory, MemberData(nameof(Blocks))]
    public void TransformerBlocksMatch(string name)
    {
        using GoldenCase golden = GoldenCase.OpenWithoutGradients(HiDiffusionGoldens.Area, name);
        foreach ((string key, JsonNode? one) in golden.Config["cases"]!.AsObject())
        {
            using UNet2DConditionModel network = HiDiffusionGoldens.LoadUNet(HiDiffusionGoldens.Text(one, "model")!);
            TransformerBlock block = network.TransformerBlocks().First(entry => entry.Name == HiDiffusionGoldens.Text(one, "module")).Block;
            (int height, int width) = HiDiffusionGoldens.Size(one!["map"]);
            Tensor tokens = golden.Get($"in.{key}.x", float32), context = golden.Get($"in.{key}.context", float32);
            using PreparedPrompt prompt = network.Prepare(Conditioning(network.Config, context));
            var step = new HiDiffusionStep { ResizesOddMaps = true, Windows = new Dictionary<BlockPlace, IReadOnlyList<int>> { [block.Place] = [one["k"]!.GetValue<int>()] } };
            golden.AssertMatches($"out.{key}", block.Forward(tokens, new MapSize(height, width), new BlockInputs(zeros(1), prompt, null, step)));
        }
    }

    // What the block does not look at is nothing.
    private static UNetConditioning Conditioning(UNetConfig config, Tensor context) => new(context)
    {
        PooledText = config.SizeEmbeddingWidth is { } width ? zeros(context.shape[0], config.AddedEmbeddingWidth!.Value - 6 * width) : null,
        SizeNumbers = config.SizeEmbeddingWidth is null ? null : zeros(context.shape[0], 6),
    };

    private sealed class Answering(Tensor answer) : ISelfAttention, IDisposable
    {
        internal Tensor? Asked { get; private set; }

        public Tensor Forward(Tensor tokens, MapSize map)
        {
            Asked = tokens.clone().DetachFromDisposeScope();
            return answer.clone();
        }

        public void Dispose() => Asked?.Dispose();
    }
}
