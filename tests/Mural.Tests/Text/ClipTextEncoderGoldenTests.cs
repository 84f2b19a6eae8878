using System.Globalization;
using System.Text.RegularExpressions;
using Mural.Runtime;
using Mural.Tests.Goldens;
using Mural.Tests.UNet;
using Mural.Text;

namespace Mural.Tests.Text;

/// <summary>Text encoders against transformers, as loaded and ready for inference. A case is recognised by its ids: of one encoder, or of two.</summary>
[Trait("Area", "text")]
public partial class ClipTextEncoderGoldenTests
{
    public static TheoryData<string, KernelSet?, ScalarType> SingleCases =>
        UNetGoldens.CasesInAllWays("text", golden => golden.Has("in.ids") && golden.Has("out.last_hidden_state"));

    public static TheoryData<string, KernelSet?, ScalarType> DoubleCases =>
        UNetGoldens.CasesInAllWays("text", golden => golden.Has("in.ids_1") && golden.Has("in.ids_2") && golden.Has("out.context"));

    [GoldenTheory, MemberData(nameof(SingleCases))]
    public void OneEncoderMatchesTransformers(string name, KernelSet? kernels, ScalarType type)
    {
        using GoldenCase golden = GoldenCase.OpenWithoutGradients("text", name);
        TextStage stage = TextGoldens.Stage(golden.ModelFolder, "", HiddenState.Last, kernels, type);
        using ClipTextEncoder encoder = stage.Encoder;
        Tensor ids = Ids(golden, "in.ids", stage, "prompts");
        Tensor? edge = golden.Has("in.ids_edge") ? Ids(golden, "in.ids_edge", stage, "edge_prompts") : null;
        foreach (string output in Outputs(golden))
        {
            Tensor actual = output switch
            {
                "out.last_hidden_state" => encoder.Encode(ids, HiddenState.Last, pooled: false).Context,
                "out.pooled" => encoder.Encode(ids, HiddenState.Last, pooled: true).Pooled!,
                "out.pooled_edge" => encoder.Encode(edge!, HiddenState.Penultimate, pooled: true).Pooled!,
                "out.negative_edge" => encoder.Encode(edge!, HiddenState.Last, pooled: false).Context,
                _ when Number(PooledAfterSkipping(), output) is { } skip => encoder.Encode(ids, HiddenState.Last.Skip(skip), pooled: true).Pooled!,
                _ when Number(SkippedLayers(), output) is { } skip => encoder.Encode(ids, HiddenState.Last.Skip(skip), pooled: true).Context,
                _ when Number(LayerFromEnd(), output) is { } layer => encoder.Encode(ids, new HiddenState(layer - 1, Normalized: false), pooled: false).Context,
                _ => throw new InvalidDataException(output),
            };
            UNetGoldens.Check(golden, output, actual, type);
        }
        if (golden.Has("mid.embeddings"))
            UNetGoldens.Check(golden, "mid.embeddings", encoder.Encode(ids, new HiddenState(encoder.Config.Transformer.Layers, Normalized: false), pooled: false).Context, type);
    }

    [GoldenTheory, MemberData(nameof(DoubleCases))]
    public void TwoEncodersMatchDiffusers(string name, KernelSet? kernels, ScalarType type)
    {
        using GoldenCase golden = GoldenCase.OpenWithoutGradients("text", name);
        TextStage[] stages = [.. new[] { "", "_2" }.Select(suffix => TextGoldens.Stage(golden.ModelFolder, suffix, HiddenState.Penultimate, kernels, type))];
        for (int i = 0; i < stages.Length; i++)
        {
            Tensor ids = Ids(golden, $"in.ids_{i + 1}", stages[i], "prompts");
            if (golden.Has($"in.ids_edge_{i + 1}")) Ids(golden, $"in.ids_edge_{i + 1}", stages[i], "edge_prompts");
            string state = $"mid.encoder_{i + 1}.last_hidden_state";
            if (golden.Has(state)) UNetGoldens.Check(golden, state, stages[i].Encoder.Encode(ids, HiddenState.Last, pooled: false).Context, type);
        }
        var encoder = new PromptEncoder(stages, PromptSyntax.Plain);
        Prompt[] prompts = TextGoldens.Prompts(golden, "prompts");
        Prompt[] differing = [new Prompt(prompts[0].Text, prompts.Length > 1 ? prompts[1].Text : null)];
        foreach (string output in Outputs(golden))
        {
            string wanted = FirstTokens().Replace(output, "");
            Tensor actual = wanted switch
            {
                "out.context" => encoder.Encode(prompts).Context,
                "out.pooled" => encoder.Encode(prompts).Pooled!,
                "out.negative_edge" => encoder.Encode(TextGoldens.Prompts(golden, "edge_prompts")).Context,
                "out.pooled_edge" or "out.negative_edge_pooled" => encoder.Encode(TextGoldens.Prompts(golden, "edge_prompts")).Pooled!,
                "out.two_prompts_context_row0" => encoder.Encode(differing).Context,
                "out.two_prompts_pooled" => encoder.Encode(differing).Pooled!,
                "out.empty_negative" => encoder.Encode([new Prompt("")]).Context,
                "out.empty_negative_pooled" => encoder.Encode([new Prompt("")]).Pooled!,
                _ when Number(PooledAfterSkipping(), wanted) is { } skip => encoder.Encode(prompts, skip).Pooled!,
                _ when Number(SkippedLayers(), wanted) is { } skip => encoder.Encode(prompts, skip).Context,
                _ => throw new InvalidDataException(output),
            };
            if (Number(FirstTokens(), output) is { } tokens) actual = actual[TensorIndex.Colon, TensorIndex.Slice(stop: tokens)];
            UNetGoldens.Check(golden, output, actual, type);
        }
        foreach (TextStage stage in stages) stage.Encoder.Dispose();
    }

    private static string[] Outputs(GoldenCase golden) => [.. golden.Tensors.Keys.Where(name => name.StartsWith("out.", StringComparison.Ordinal))];

    // The ids that a case holds, which must be those of its prompts.
    private static Tensor Ids(GoldenCase golden, string input, TextStage stage, string prompts)
    {
        Tensor ids = golden.Get(input);
        int[] actual = [.. TextGoldens.Prompts(golden, prompts).SelectMany(prompt => stage.Tokenizer.EncodeWindow(prompt.Text))];
        Assert.Equal(ids.to(int32).data<int>().ToArray(), actual);
        return ids;
    }

    private static int? Number(Regex pattern, string text) =>
        pattern.Match(text) is { Success: true } match ? int.Parse(match.Groups[1].ValueSpan, CultureInfo.InvariantCulture) : null;

    [GeneratedRegex(@"^out\.pooled_clip_skip_(\d+)$")]
    private static partial Regex PooledAfterSkipping();

    [GeneratedRegex(@"clip_skip_(\d+)$")]
    private static partial Regex SkippedLayers();

    [GeneratedRegex(@"hidden_minus_(\d+)_no_norm$")]
    private static partial Regex LayerFromEnd();

    [GeneratedRegex(@"_first_(\d+)_tokens$")]
    private static partial Regex FirstTokens();
}
