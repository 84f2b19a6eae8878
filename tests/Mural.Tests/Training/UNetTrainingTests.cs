using System.Text.Json.Nodes;
using Mural.Checkpoints;
using Mural.Imaging;
using Mural.Pipelines;
using Mural.Samplers;
using Mural.Tests.Pipelines;
using Mural.Training;
using Mural.Training.Data;
using Mural.UNet;

namespace Mural.Tests.Training;

/// <summary><c>mural train unet</c> on a few pictures.</summary>
public sealed class UNetTrainingTests : IDisposable
{
    private readonly TrainingFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void LossesFall()
    {
        TrainingFolder.Train(_folder.Settings(
            TrainingFolder.Captions, ("steps", 40), ("batch", 4), ("accumulation", 1), ("prediction", "epsilon"), ("min_snr_gamma", null), ("schedule.decay", "constant")));
        double[] losses = [.. _folder.Losses("run").OrderBy(step => step.Key).Select(step => step.Value)];
        // A network that predicts nothing, as it does at its start, has the noise's variance as its loss.
        Assert.InRange(losses[0], 0.7, 1.3);
        Assert.InRange(losses[25..].Average(), 0, 0.8);
    }

    [Theory]
    [InlineData("v_prediction", PredictionType.VPrediction)]
    [InlineData("epsilon", PredictionType.Epsilon)]
    public async Task TheResultPaintsAtTheSizeOfTheTraining(string prediction, PredictionType expected)
    {
        TrainingOutcome outcome = TrainingFolder.Train(_folder.Settings(
            TrainingFolder.Captions, ("steps", 4), ("prediction", prediction), ("precision", "bfloat16"), ("sheet.steps", 3), ("sheet.guidance", 1.5)));
        Assert.True(PictureReader.Read(_folder.At("run/sheets/step-000000004.png")).Width >= 64);
        Assert.Equal(expected, SamplerOptions.Load(Path.Combine(outcome.ResultFolder, "scheduler")).PredictionType);
        Assert.Equal(4, UNetConfig.Read(Path.Combine(outcome.ResultFolder, "unet")).SampleSize);
        await using StableDiffusionPipeline pipeline = await TinyStableDiffusion.Load(outcome.ResultFolder);
        Assert.Equal(("Stable Diffusion 1", 32, 3, 1.5), (pipeline.Model.Family, pipeline.Model.Side, pipeline.Model.Steps, pipeline.Model.Guidance));
        var heart = new StableDiffusionRequest { Prompt = "heart 3d", Seed = 7, Steps = 2 };
        StableDiffusionPicture painted = Assert.Single(await pipeline.GenerateAsync(heart, cancellationToken: TestContext.Current.CancellationToken));
        Assert.Equal((32, 32), (painted.Picture.Width, painted.Picture.Height));
        Assert.NotEqual(painted.Picture.Data, await TinyStableDiffusion.Paint(pipeline, heart with { Prompt = "star flat" }));
        // Longer than a window.
        Assert.NotEqual(painted.Picture.Data, await TinyStableDiffusion.Paint(pipeline, heart with { Prompt = "heart 3d heart 3d heart 3d heart 3d heart 3d" }));
    }

    // Other held-out pictures and captions, and not a bit of the weights is another.
    [Fact]
    public void WhatIsHeldOutIsNeverTrainedOn()
    {
        TrainingFolder.Train(_folder.Settings(TrainingFolder.Captions, ("run", "one"), ("steps", 4)));
        string[] lines = File.ReadAllLines(_folder.At("list.jsonl"));
        _folder.WritePicture("other.png", 20, 77);
        int changed = Array.FindIndex(lines, line => line.Contains("\"test\"", StringComparison.Ordinal));
        lines[changed] = """{"file": "other.png", "words": "zebra zebra zebra", "split": "test"}""";
        _folder.WriteText("others.jsonl", string.Join('\n', lines));
        TrainingFolder.Train(_folder.Settings(TrainingFolder.Captions, ("run", "other"), ("steps", 4), ("data.index", "others.jsonl")));
        Assert.Equal(
            File.ReadAllBytes(Path.Combine(_folder.Checkpoint("one", 4), "model.safetensors")),
            File.ReadAllBytes(Path.Combine(_folder.Checkpoint("other", 4), "model.safetensors")));
        Assert.Equal(File.ReadAllText(_folder.At("one/result/tokenizer/merges.txt")), File.ReadAllText(_folder.At("other/result/tokenizer/merges.txt")));
    }

    [Fact]
    public void ANewRunStartsFromAResultAndItsTokenizer()
    {
        TrainingOutcome first = TrainingFolder.Train(_folder.Settings(TrainingFolder.Captions, ("run", "first"), ("steps", 2)));
        // Other captions, of which another vocabulary would be made.
        _folder.WriteText(
            "others.jsonl", string.Join('\n', File.ReadAllLines(_folder.At("list.jsonl")).Select(line => line.Replace("heart", "balloon", StringComparison.Ordinal))));
        using var scope = NewDisposeScope();
        var config = (UNetTrainingConfig)_folder.Settings(
            TrainingFolder.Captions, ("run", "second"), ("data.index", "others.jsonl"), ("data.size", 64), ("initialise_from", "first/result"));
        using var task = new UNetTask(config, PictureSet.Open(config.Data, config.SettingsPath, _ => { }, CancellationToken.None), CPU, _ => { }, CancellationToken.None);
        task.Initialise();
        var model = (TextToImageNetwork)task.Model;
        foreach ((nn.Module network, string file) in new (nn.Module, string)[]
        {
            (model.UNet, "unet/diffusion_pytorch_model.safetensors"), (model.TextEncoder, "text_encoder/model.safetensors")
        })
        {
            using SafetensorsFile stored = SafetensorsFile.Open(Path.Combine(first.ResultFolder, file));
            Assert.All(network.named_parameters(), entry => Assert.True(stored.Read(entry.name, float32).allclose(entry.parameter), entry.name));
        }
        TrainingOutcome second = TrainingFolder.Train(config with { Steps = 1 });
        Assert.Equal(File.ReadAllText(Path.Combine(first.ResultFolder, "tokenizer", "merges.txt")), File.ReadAllText(Path.Combine(second.ResultFolder, "tokenizer", "merges.txt")));
    }

    [Fact]
    public void CaptionsAreShownAsTheSettingsSay()
    {
        PictureItem[] items = [new("a.png", "a", ["red", "heart", "3d"], HeldOut: false), new("b.png", "b", [], HeldOut: false) { Caption = "a  small house " }];
        var captions = new TrainingCaptions(new UNetTrainingConfig { LabelDropout = 0 }, items);
        Assert.Equal(["red heart 3d", "a small house"], captions.Shown([0, 1], new SplitMix(1)));
        Assert.Equal(["", ""], new TrainingCaptions(new UNetTrainingConfig { LabelDropout = 1 }, items).Shown([0, 1], new SplitMix(1)));
        var unstyled = new UNetTrainingConfig { LabelDropout = 0, StyleDropout = 1, StyleWords = ["3D"] };
        Assert.Equal(["red heart", "a small house"], new TrainingCaptions(unstyled, items).Shown([0, 1], new SplitMix(1)));
        string[] shuffled = new TrainingCaptions(new UNetTrainingConfig { LabelDropout = 0, WordShuffle = 1 }, items).Shown([.. Enumerable.Repeat(0, 100)], new SplitMix(1));
        Assert.Equal(6, shuffled.Distinct().Count());
        Assert.All(shuffled, caption => Assert.Equal(["3d", "heart", "red"], caption.Split(' ').Order(StringComparer.Ordinal)));
    }

    [Theory]
    [InlineData(PredictionType.Epsilon, 5.0 / 10, 5.0 / 20, 1)]
    [InlineData(PredictionType.VPrediction, 5.0 / 11, 5.0 / 21, 0.5 / 1.5)]
    [InlineData(PredictionType.Sample, 5, 5, 0.5)]
    public void MinSnrWeighsTheErrorOfTheCleanLatents(PredictionType prediction, double atTen, double atTwenty, double atHalf)
    {
        using Tensor ratios = tensor(new[] { 10f, 20f, 0.5f }), weights = MinSnr.Weights(ratios, 5, prediction);
        Assert.Equal([atTen, atTwenty, atHalf], weights.data<float>().ToArray().Select(weight => Math.Round(weight, 6)), (one, other) => Math.Abs(one - other) < 1e-6);
    }

    [Theory]
    [InlineData("model.head_channels", "7", "'model.head_channels' is 7")]
    [InlineData("model.norm_num_groups", "3", "norm_num_groups")]
    [InlineData("model.attention", "[true]", "1 entries for 2 levels")]
    [InlineData("model.block_out_channels", "[]", "block_out_channels")]
    [InlineData("text.heads", "3", "'text.heads' is 3")]
    [InlineData("text.max_length", "2", "'text.max_length' is 2")]
    [InlineData("text.max_length", "78", "'text.max_length' is 78")]
    [InlineData("text.vocabulary", "500", "'text.vocabulary' is 500")]
    [InlineData("text.depth", "3", "'text.depth'")]
    [InlineData("autoencoder", null, "'autoencoder' is missing")]
    [InlineData("prediction", "\"flow\"", "$.prediction")]
    [InlineData("label_dropout", "2", "'label_dropout'")]
    [InlineData("word_dropout", "1", "'word_dropout'")]
    [InlineData("word_shuffle", "2", "'word_shuffle'")]
    [InlineData("balance", "3", "'balance'")]
    [InlineData("min_snr_gamma", "0", "'min_snr_gamma'")]
    [InlineData("style_words", "[]", "'style_words'")]
    [InlineData("sheet.steps", "0", "'sheet.steps'")]
    [InlineData("vocabulary", "\"words.txt\"", "'vocabulary'")]
    public void AWrongSettingIsOneSentence(string key, string? value, string named)
    {
        MuralException problem = Assert.Throws<MuralException>(() => _folder.Settings(TrainingFolder.Captions, (key, value is null ? null : JsonNode.Parse(value))));
        Assert.Contains(named, problem.Message, StringComparison.Ordinal);
        Assert.EndsWith(".", problem.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("data.size", "36", "'data.size' is 36; a multiple of 8")]
    [InlineData("autoencoder", "\"nowhere\"", "nowhere")]
    [InlineData("initialise_from", "\"nowhere\"", "nowhere")]
    [InlineData("style_words", "[\"clay\"]", "'clay'")]
    public void WhatOnlyTheRunCanFindIsOneSentenceToo(string key, string value, string named)
    {
        MuralException problem = Assert.Throws<MuralException>(() => TrainingFolder.Train(_folder.Settings(TrainingFolder.Captions, (key, JsonNode.Parse(value)))));
        Assert.Contains(named, problem.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("prediction", "\"epsilon\"")]
    [InlineData("text.max_length", "9")]
    [InlineData("text.vocabulary", "520")]
    [InlineData("model.attention", "[false, true]")]
    public void ARunDoesNotGoOnWithOtherNetworks(string key, string value)
    {
        TrainingFolder.Train(_folder.Settings(TrainingFolder.Captions), stopAfter: 1);
        MuralException problem = Assert.Throws<MuralException>(() => TrainingFolder.Train(_folder.Settings(TrainingFolder.Captions, (key, JsonNode.Parse(value)))));
        Assert.Contains("was made with other settings", problem.Message, StringComparison.Ordinal);
    }
}
