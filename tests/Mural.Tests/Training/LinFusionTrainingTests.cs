using System.Text.Json.Nodes;
using Mural.Cli.CommandLine;
using Mural.Imaging;
using Mural.LinFusion;
using Mural.Tests.Cli;
using Mural.Tests.Pipelines;
using Mural.Training;
using Mural.Training.Data;
using Mural.UNet;

namespace Mural.Tests.Training;

/// <summary><c>mural distill linfusion</c> on the goldens' tiny models.</summary>
public sealed class LinFusionTrainingTests : IDisposable
{
    private readonly TrainingFolder _folder = new();

    private static string Settings => $$"""
        {
          "kind": "linfusion", "run": "run", "steps": 6, "batch": 1, "accumulation": 2, "precision": "float32", "device": "cpu",
          "teacher": {{JsonValue.Create(TinyStableDiffusion.At(TinyStableDiffusion.First)).ToJsonString()}},
          "data": { "index": "list.jsonl", "size": 64, "flip": true },
          "optimizer": { "learning_rate": 1e-3, "betas": [0.9, 0.999], "eps": 1e-8, "weight_decay": 0 }, "schedule": { "warmup_steps": 1 }, "ema": { "decay": 0.5 },
          "sheet": { "captions": 1, "steps": 1 }, "sheet_minutes": 0, "log_steps": 1
        }
        """;

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void ThreeStepsAndThreeMoreAreSixBitForBit()
    {
        Assert.True(TrainingFolder.Train(_folder.Settings(Settings, ("run", "whole"))).Finished);
        TrainingConfig halves = _folder.Settings(Settings, ("run", "halves"));
        Assert.Equal(3, TrainingFolder.Train(halves, stopAfter: 3).Step);
        Assert.True(TrainingFolder.Train(halves).Finished);
        foreach (string file in new[] { "model.safetensors", "ema.safetensors", "optimizer.safetensors" })
            Assert.Equal(File.ReadAllBytes(Path.Combine(_folder.Checkpoint("whole", 6), file)), File.ReadAllBytes(Path.Combine(_folder.Checkpoint("halves", 6), file)));
        Assert.Equal(_folder.Losses("whole"), _folder.Losses("halves"));
    }

    [Fact]
    public void StepsLeaveNothingBehind()
    {
        var counts = new List<long>();
        TrainingFolder.Train(_folder.Settings(Settings), watch: progress =>
        {
            if (progress.Message is null && progress.Step is > 1 and < 6) counts.Add(Tensor.TotalCount);
        });
        Assert.Equal(4, counts.Count);
        Assert.All(counts, count => Assert.Equal(counts[0], count));
    }

    [Theory]
    [InlineData(TinyStableDiffusion.First, 1)]
    [InlineData(TinyStableDiffusion.Second, 4)]
    [InlineData(TinyStableDiffusion.XL, 16)]
    public void TheResultIsACheckpointThatPaints(string model, int divisor)
    {
        string settings = Path.GetFileName(_folder.WriteText("distill.json", Changed(model, divisor)));
        CommandRun run = CommandRun.Of("distill", "linfusion", _folder.At(settings), "--json");
        Assert.True(run.ExitCode == ExitCode.Success, run.Error);
        JsonNode log = JsonNode.Parse(File.ReadLines(_folder.At("run/log.jsonl")).First())!;
        double Part(string name) => log[name]!.GetValue<double>();
        Assert.InRange(Part("loss") - (Part("loss_noise") + 0.5 * Part("loss_output") + 0.5 * Part("loss_feature")), -1e-5, 1e-5);
        Assert.True(Part("loss_output") > 0 && Part("loss_feature") > 0);
        // Teacher and student beside each other.
        Picture sheet = PictureReader.Read(_folder.At("run/sheets/step-000000002.png"));
        Assert.True(sheet.Width > 128 && sheet.Height > 64);
        Assert.True(File.Exists(_folder.At("run/loss.png")));

        string result = run.Json["resultFolder"]!.GetValue<string>();
        LinFusionConfig config = LinFusionConfig.Read(result);
        Assert.All(config.Modules, module => Assert.Equal(Math.Max(module.Width / divisor, 1), module.MlpWidth));
        CommandRun painted = CommandRun.Of("generate", "heart", "--model", TinyStableDiffusion.At(model), "--linfusion", result, "--size", "64x64", "--steps", "1", "--device", "cpu", "-o", _folder.At("heart.png"));
        Assert.True(painted.ExitCode == ExitCode.Success, painted.Error);
    }

    [Fact]
    public void ARunGoesOnFromACheckpoint()
    {
        string from = LinFusion.LinFusionGoldens.At("weights/tiny-sd15");
        TrainingFolder.Train(_folder.Settings(Settings, ("steps", 1), ("initialise_from", from), ("optimizer.learning_rate", 1e-12)));
        using UNet2DConditionModel expected = UNet2DConditionModel.FromFolder(Path.Combine(TinyStableDiffusion.At(TinyStableDiffusion.First), "unet")), found = UNet2DConditionModel.FromFolder(Path.Combine(TinyStableDiffusion.At(TinyStableDiffusion.First), "unet"));
        expected.LoadLinFusion(from);
        found.LoadLinFusion(_folder.At("run/result"));
        using var scope = NewDisposeScope();
        foreach ((Tensor one, Tensor other) in expected.LinearAttentions().parameters().Zip(found.LinearAttentions().parameters()))
            Assert.InRange((one - other).abs().max().item<float>(), 0, 1e-6f);
    }

    [Theory]
    [InlineData("teacher", null, "'teacher' is missing")]
    [InlineData("mlp_divisor", 0, "'mlp_divisor' is 0")]
    [InlineData("loss.feature", -1, "'loss.feature' is -1")]
    [InlineData("sheet.captions", 0, "'sheet.captions' is 0")]
    [InlineData("data.size", 65, "'data.size' is 65")]
    public void ImpossibleSettingsAreRefused(string key, int? value, string expected) =>
        Assert.Contains(expected, Assert.Throws<MuralException>(() => TrainingFolder.Train(_folder.Settings(Settings, (key, value is { } number ? JsonValue.Create(number) : null)))).Message, StringComparison.Ordinal);

    [Fact]
    public void CaptionsComeFromTheListAFileOrTheWords()
    {
        _folder.WriteText("captions.jsonl", """
            {"file": "pictures/heart/00.png", "words": ["heart", "flat"], "caption": "a flat heart"}
            {"file": "pictures/star/01.png", "words": ["star", "3d"]}
            {"file": "pictures/heart/02.png", "words": ["heart", "3d"]}
            """);
        _folder.WriteText("pictures/star/01.txt", "a star of clay\n");
        _folder.WriteText("captions.csv", "file,words,caption\npictures/heart/00.png,heart flat,\"a flat, red heart\"\n");
        string[] Read(string list) => [.. PictureList.Read(new DataConfig { Index = list }, _folder.At("settings.json")).Select(item => item.ReadCaption())];
        Assert.Equal(["a flat heart", "a star of clay", "heart 3d"], Read("captions.jsonl"));
        Assert.Equal(["a flat, red heart"], Read("captions.csv"));
    }

    private static string Changed(string model, int divisor)
    {
        JsonObject json = JsonNode.Parse(Settings)!.AsObject();
        json["teacher"] = TinyStableDiffusion.At(model);
        json["mlp_divisor"] = divisor;
        json["steps"] = 2;
        json["precision"] = "bfloat16";
        return json.ToJsonString();
    }
}
