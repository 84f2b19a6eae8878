using Mural.Runtime;
using Mural.Tests.Goldens;
using Mural.Text;

namespace Mural.Tests.Text;

public class PromptEncoderTests
{
    private static readonly string Model = GoldenCase.Model("tiny-sd15"), Sdxl = GoldenCase.Model("tiny-sdxl");

    [Fact]
    public void WeightsScaleVectorsAndKeepTheMean()
    {
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        TextStage stage = TextGoldens.Stage(Model, "", HiddenState.Last);
        using ClipTextEncoder encoder = stage.Encoder;
        var prompts = new PromptEncoder([stage]);
        Tensor plain = prompts.Encode([new Prompt("a cat on the moon")]).Context, weighted = prompts.Encode([new Prompt("a (cat:1.4) on the moon")]).Context;
        Tensor factors = ones(1, 77, 1);
        factors[0, 2, 0] = 1.4f;
        Tensor expected = plain * factors;
        expected *= plain.mean() / expected.mean();
        Assert.True((weighted - expected).abs().max().item<float>() < 1e-5);
        Assert.True((weighted - plain).abs().max().item<float>() > 1e-2);
    }

    [Fact]
    public void PromptsOfOneBatchAreAsLongAsTheLongest()
    {
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        TextStage stage = TextGoldens.Stage(Model, "", HiddenState.Last);
        using ClipTextEncoder encoder = stage.Encoder;
        var prompts = new PromptEncoder([stage]);
        Prompt[] both = [new Prompt("a cat"), new Prompt("a cat BREAK a dog")];
        Assert.Equal(2, prompts.CountWindows(both));
        Tensor together = prompts.Encode(both).Context;
        Assert.Equal([2L, 154L, 32L], together.shape);
        Tensor cat = prompts.Encode([both[0]]).Context, empty = prompts.Encode([new Prompt("")]).Context, dog = prompts.Encode([new Prompt("a dog")]).Context;
        AssertSame(cat_(cat, empty), together[0]);
        AssertSame(cat_(cat, dog), together[1]);
        AssertSame(cat_(cat, empty), prompts.Encode([both[0]], leastWindows: 2).Context[0]);

        static Tensor cat_(Tensor first, Tensor second) => torch.cat([first[0], second[0]]);
    }

    [Fact]
    public void PooledVectorIsTheFirstWindows()
    {
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        TextStage[] stages = [TextGoldens.Stage(Sdxl, "", HiddenState.Penultimate), TextGoldens.Stage(Sdxl, "_2", HiddenState.Penultimate)];
        var prompts = new PromptEncoder(stages);
        AssertSame(prompts.Encode([new Prompt("a cat")]).Pooled!, prompts.Encode([new Prompt("a cat BREAK a dog")]).Pooled!);
        foreach (TextStage stage in stages) stage.Encoder.Dispose();
    }

    [Fact]
    public void LaterTokensDoNotChangeEarlierOnes()
    {
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        TextStage stage = TextGoldens.Stage(Model, "", HiddenState.Last);
        using ClipTextEncoder encoder = stage.Encoder;
        var prompts = new PromptEncoder([stage]);
        Tensor cat = prompts.Encode([new Prompt("a photo of a cat")]).Context, dog = prompts.Encode([new Prompt("a photo of a dog")]).Context;
        AssertSame(cat[0, TensorIndex.Slice(stop: 5)], dog[0, TensorIndex.Slice(stop: 5)]);
        Assert.True((cat - dog).abs().max().item<float>() > 1e-3);
    }

    [Theory]
    [InlineData(null)]
    [InlineData(KernelSet.Mural)]
    [InlineData(KernelSet.Libtorch)]
    public void EncodingLeavesNoTensorsBehind(KernelSet? kernels)
    {
        TextStage[] stages = [TextGoldens.Stage(Sdxl, "", HiddenState.Penultimate, kernels), TextGoldens.Stage(Sdxl, "_2", HiddenState.Penultimate, kernels)];
        var prompts = new PromptEncoder(stages);
        LiveTensors.AssertFlat(() =>
        {
            using EncodedPrompts encoded = prompts.Encode([new Prompt("a (cat:1.2) BREAK on the moon"), new Prompt("")]);
            Assert.Equal([2L, 154L, 80L], encoded.Context.shape);
        });
        foreach (TextStage stage in stages) stage.Encoder.Dispose();
    }

    [Theory]
    [InlineData("", KernelSet.Mural)]
    [InlineData("_2", KernelSet.Libtorch)]
    public void SavedEncodersAreReadAgain(string suffix, KernelSet kernels)
    {
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        using var folder = new TemporaryFolder();
        using ClipTextEncoder encoder = TextGoldens.Stage(Sdxl, suffix, HiddenState.Last).Encoder;
        encoder.Save(folder.Path, float16);
        using var again = ClipTextEncoder.FromFolder(folder.Path);
        Assert.Equal(encoder.Config, again.Config);
        Tensor ids = tensor([.. Enumerable.Range(3, 77)], [1, 77]);
        AssertSame(encoder.Encode(ids, HiddenState.Last, pooled: true).Pooled!, again.Encode(ids, HiddenState.Last, pooled: true).Pooled!);
        again.PrepareForInference(kernels, float32);
        Assert.Throws<MuralException>(() => again.Save(folder.Path));
        Assert.Throws<MuralException>(() => again.PrepareForInference(kernels, float32));
    }

    [Fact]
    public void ImpossibleWishesAreRefused()
    {
        using var scope = NewDisposeScope();
        TextStage stage = TextGoldens.Stage(Model, "", HiddenState.Last);
        using ClipTextEncoder encoder = stage.Encoder;
        var prompts = new PromptEncoder([stage]);
        Assert.Contains("skip fewer", Assert.Throws<MuralException>(() => prompts.Encode([new Prompt("a")], clipSkip: 4)).Message, StringComparison.Ordinal);
        Assert.Throws<MuralException>(() => prompts.Encode([new Prompt("a")], clipSkip: -1));
        Assert.Throws<MuralException>(() => prompts.Encode([new Prompt(new string('a', 1 << 20))]));
    }

    [Theory]
    [InlineData("{\"architectures\": [\"BertModel\"]}", "BertModel")]
    [InlineData("{\"hidden_act\": \"relu\"}", "relu")]
    [InlineData("{\"hidden_size\": 30, \"num_attention_heads\": 4}", "multiple")]
    [InlineData("{\"num_hidden_layers\": 0}", "num_hidden_layers")]
    [InlineData("{\"max_position_embeddings\": 248}", "248")]
    public void OtherArchitecturesAreRefused(string json, string reason)
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder.At("config.json"), json);
        Assert.Contains(reason, Assert.Throws<MuralException>(() => ClipTextConfig.Read(folder.Path)).Message, StringComparison.Ordinal);
    }

    private static void AssertSame(Tensor expected, Tensor actual)
    {
        Assert.Equal(expected.shape, actual.shape);
        Assert.True((expected - actual).abs().max().item<float>() < 1e-5);
    }
}
