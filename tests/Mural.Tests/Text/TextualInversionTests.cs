using System.Text.Json.Nodes;
using Mural.Checkpoints;
using Mural.Checkpoints.Pickle;
using Mural.Tests.Checkpoints;
using Mural.Tests.Goldens;
using Mural.Text;

namespace Mural.Tests.Text;

public class TextualInversionTests
{
    public static TheoryData<string> Cases =>
        GoldenCase.Names("adapters", golden => golden.Json["model"] is not null && golden.Config["new_tokens"] is JsonObject && golden.Config["files"] is JsonArray);

    /// <summary>Files of all layouts against diffusers, on one text encoder and on two. A case is recognised by the tokens it adds.</summary>
    [GoldenTheory, MemberData(nameof(Cases)), Trait("Area", "adapters")]
    public void WordsStandForTheirVectors(string name)
    {
        using GoldenCase golden = GoldenCase.OpenWithoutGradients("adapters", name);
        bool two = Directory.Exists(Path.Combine(golden.ModelFolder, "text_encoder_2"));
        string[] suffixes = two ? ["", "_2"] : [""];
        TextStage[] stages = [.. suffixes.Select(suffix => TextGoldens.Stage(golden.ModelFolder, suffix, two ? HiddenState.Penultimate : HiddenState.Last))];
        var prompts = new PromptEncoder(stages, PromptSyntax.Plain);
        foreach (JsonNode? file in golden.Config["files"]!.AsArray())
        {
            string path = GoldenCase.At("adapters", file!["file"]!.GetValue<string>());
            using TextualInversion inversion = TextualInversion.Read(path, TextGoldens.Text(file["token"]));
            prompts.Add(inversion);
        }
        Prompt prompt = new(golden.Config["prompt"]!.GetValue<string>(), TextGoldens.Text(golden.Config["prompt_2"]));
        int[][] ids = [.. stages.Select((stage, i) => stage.Tokenizer.EncodeWindow(i == 0 ? prompt.Text : prompt.SecondText ?? prompt.Text))];
        EncodedWindows Alone(int stage) => stages[stage].Encoder.Encode(tensor(ids[stage]).unsqueeze(0), stages[stage].State, pooled: true);
        foreach (string output in golden.Tensors.Keys.Where(key => key.StartsWith("out.", StringComparison.Ordinal) || key.StartsWith("in.ids", StringComparison.Ordinal)))
        {
            if (output[(output.IndexOf('.', StringComparison.Ordinal) + 1)..] is "ids" or "ids_1" or "ids_2")
            {
                using Tensor expected = golden.Get(output, int32);
                Assert.Equal(expected.data<int>().ToArray(), ids[output.EndsWith("_2", StringComparison.Ordinal) ? 1 : 0]);
                continue;
            }
            golden.AssertMatches(output, output switch
            {
                "out.text" or "out.context" => prompts.Encode([prompt]).Context,
                "out.pooled" or "out.text_2_pooled" => Alone(stages.Length - 1).Pooled!,
                "out.text_1_penultimate" when two => Alone(0).Context,
                "out.text_2_penultimate" when two => Alone(1).Context,
                _ => throw new InvalidDataException(output),
            });
        }
        foreach (TextStage stage in stages) stage.Encoder.Dispose();
    }

    [Fact]
    public void WordsAreFoundInAnyCaseButNotInsideOthers()
    {
        var tokenizer = new ClipTokenizer(Vocabularies.Tiny());
        tokenizer.AddWord("art", 900, 2);
        tokenizer.AddWord("art-deco", 910, 1);
        Assert.Equal([900, 901], tokenizer.Encode("ART"));
        Assert.Equal([910, 900, 901], tokenizer.Encode("Art-Deco art"));
        Assert.DoesNotContain(900, tokenizer.Encode("start arts"));
        Assert.Contains(900, tokenizer.Encode("(art)"));
        Assert.Contains(900, tokenizer.Encode("art2"));
    }

    [Fact]
    public void WordsOfTheTokenizerAreFoundInsideOthers()
    {
        var tokenizer = new ClipTokenizer(Vocabularies.Tiny());
        tokenizer.AddWord("art", 900, 2, insideWords: true);
        Assert.Equal([.. tokenizer.Encode("st"), 900, 901, .. tokenizer.Encode("s")], tokenizer.Encode("stARTs"));
    }

    [Theory]
    [InlineData(PromptSyntax.Plain, true)]
    [InlineData(PromptSyntax.Weighted, false)]
    public void PlainPromptsHoldWordsInsideOthers(PromptSyntax syntax, bool found)
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        TextStage stage = TextGoldens.Stage(GoldenCase.Model("tiny-sd15"), "", HiddenState.Last);
        using ClipTextEncoder encoder = stage.Encoder;
        string path = folder.At("style.safetensors");
        SafetensorsWriter.Save(path, new Dictionary<string, Tensor> { ["emb_params"] = ones(2, 32) });
        using TextualInversion inversion = TextualInversion.Read(path);
        new PromptEncoder([stage], syntax).Add(inversion);
        Assert.Equal(found, stage.Tokenizer.Encode("lifestyle").Contains(encoder.Config.VocabularySize));
    }

    [Theory]
    [InlineData("clip_g", "clip_l")]
    [InlineData("text_encoders_1", "text_encoders_0")]
    public void AFileForTwoEncodersIsNamedAfterTheFile(string second, string first)
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        string path = folder.At("fox.safetensors");
        SafetensorsWriter.Save(path, new Dictionary<string, Tensor> { [second] = ones(2, 1280), [first] = ones(2, 768) });
        using TextualInversion inversion = TextualInversion.Read(path);
        Assert.Equal("fox", inversion.Word);
        Assert.Equal([768L, 1280L], inversion.Vectors.Select(vectors => vectors.shape[1]));
        using ITensorSource source = Checkpoint.Open(path);
        Assert.Equal("textual inversion: 2 vectors of 768 and 1280 channels", TextualInversion.Describe(source));
    }

    // The program of the paper saved a module that holds the vectors, and beside it the token, which is a tensor too.
    [Fact]
    public void TheFirstProgramsFilesAreRead()
    {
        using var folder = new TemporaryFolder();
        byte[] pickle = new PickleBuilder().Op(PickleOpcode.EmptyDict, PickleOpcode.Mark)
            .Text("string_to_token").Op(PickleOpcode.EmptyDict).Text("*").Tensor("0", "LongStorage", 1, 0, [], []).Op(PickleOpcode.SetItem)
            .Text("string_to_param").Global("torch.nn.modules.container", "ParameterDict")
            .Op(PickleOpcode.EmptyTuple, PickleOpcode.NewObj, PickleOpcode.EmptyDict, PickleOpcode.Mark)
            .Text("training").Op(PickleOpcode.NewTrue)
            .Text("_parameters").Op(PickleOpcode.EmptyDict).Text("*").Tensor("1", "FloatStorage", 4, 0, [1, 4], [4, 1]).Op(PickleOpcode.SetItem)
            .Op(PickleOpcode.SetItems, PickleOpcode.Build, PickleOpcode.SetItems).ToArray();
        string path = folder.Write("fox.pt", TorchZip.Build(pickle, ("0", new byte[8]), ("1", new byte[16])));
        using TextualInversion inversion = TextualInversion.Read(path);
        Assert.Equal("fox", inversion.Word);
        Assert.Equal([1L, 4L], Assert.Single(inversion.Vectors).shape);
    }

    [Fact]
    public void VectorsOfOneWordStayInOneWindow()
    {
        var tokenizer = new ClipTokenizer(Vocabularies.Tiny());
        tokenizer.AddWord("style", 900, 3);
        string prompt = string.Concat(Enumerable.Repeat("a ", 73)) + "style";
        IReadOnlyList<PromptWindow> windows = PromptWindows.Split(tokenizer, prompt, PromptSyntax.Weighted);
        Assert.Equal(2, windows.Count);
        Assert.Equal([tokenizer.End, tokenizer.End, tokenizer.End], windows[0].Ids[74..]);
        Assert.Equal([tokenizer.Begin, 900, 901, 902, tokenizer.End], windows[1].Ids[..5]);
    }

    [Fact]
    public void WhatDoesNotFitIsRefused()
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        TextStage stage = TextGoldens.Stage(GoldenCase.Model("tiny-sd15"), "", HiddenState.Last);
        using ClipTextEncoder encoder = stage.Encoder;
        var prompts = new PromptEncoder([stage]);
        AssertRefused(folder, prompts, "emb_params", ones(2, 48), "48");
        AssertRefused(folder, prompts, "emb_params", ones(76, 32), "from 1 to 75 fit");
        AssertRefused(folder, prompts, "emb_params", full([2, 32], float.NaN), "finite");
        AssertRefused(folder, prompts, "emb_params", ones(2, 32, int64), "no textual inversion");
        AssertRefused(folder, prompts, "<|endoftext|>", ones(2, 32), "stands for something already");
        string lora = folder.At("lora.safetensors");
        SafetensorsWriter.Save(lora, new Dictionary<string, Tensor> { ["lora.up"] = ones(4, 32), ["lora.down"] = ones(32, 4) });
        Assert.Contains("no textual inversion", Assert.Throws<MuralException>(() => TextualInversion.Read(lora)).Message, StringComparison.Ordinal);
        Assert.Equal(encoder.Config.VocabularySize, encoder.TokenCount);
    }

    private static void AssertRefused(TemporaryFolder folder, PromptEncoder prompts, string tensor, Tensor vectors, string reason)
    {
        string path = folder.At("style.safetensors");
        SafetensorsWriter.Save(path, new Dictionary<string, Tensor> { [tensor] = vectors });
        MuralException error = Assert.Throws<MuralException>(() =>
        {
            using TextualInversion inversion = TextualInversion.Read(path);
            prompts.Add(inversion);
        });
        Assert.Contains(reason, error.Message, StringComparison.Ordinal);
    }
}
