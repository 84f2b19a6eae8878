using System.Text.Json.Nodes;
using Mural.Checkpoints;
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
        AssertSameBits("whole", "halves");
    }

    // A process that is killed leaves the checkpoint before, and one that it was just writing.
    [Fact]
    public void AKilledRunGoesOnBitForBit()
    {
        Assert.True(TrainingFolder.Train(_folder.Settings(Settings, ("run", "whole"), ("gradient_checkpointing", true))).Finished);
        TrainingConfig killed = _folder.Settings(Settings, ("run", "killed"), ("gradient_checkpointing", true), ("checkpoint_minutes", 1e-9));
        TrainingFolder.Train(killed, stopAfter: 4);
        Directory.Delete(_folder.Checkpoint("killed", 4), recursive: true);
        Directory.CreateDirectory(_folder.Checkpoint("killed", 4) + ".partial");
        Assert.True(TrainingFolder.Train(killed).Finished);
        AssertSameBits("whole", "killed");
    }

    [Fact]
    public void LossesFall()
    {
        TrainingFolder.Train(_folder.Settings(
            Settings, ("steps", 30), ("accumulation", 1), ("batch", 2), ("data.flip", false),
            ("teacher_cache_draws", 1), ("schedule.decay", "constant"), ("optimizer.learning_rate", 1e-3)));
        double[] losses = [.. _folder.Losses("run").OrderBy(step => step.Key).Select(step => step.Value)];
        Assert.Equal(30, losses.Length);
        Assert.InRange(losses[22..].Average(), 0, 0.95 * losses[..8].Average());
    }

    // Every drawing of a sample's noise is computed once, in whatever run.
    [Fact]
    public void WhatTheTeacherSaidIsKept()
    {
        TrainingConfig Config(string run) => _folder.Settings(Settings, ("run", run), ("steps", 6), ("batch", 2), ("teacher_cache_draws", 2));
        TrainingFolder.Train(Config("first"));
        // 24 samples of 11 pictures: each has had both of its drawings.
        string folder = Assert.Single(Directory.GetDirectories(_folder.At("cache"), "teacher-*"));
        string[] files = [.. Directory.GetFiles(folder).Order(StringComparer.Ordinal)];
        Assert.Equal(22, files.Length);
        TrainingFolder.Train(Config("second"));
        AssertSameBits("first", "second");
        // A teacher that says nothing: its losses are those of the student's own results.
        foreach (string file in files) SafetensorsWriter.Save(file, Read(file).ToDictionary(tensor => tensor.Key, tensor => zeros_like(tensor.Value)));
        TrainingFolder.Train(Config("third"));
        JsonNode First(string run) => JsonNode.Parse(File.ReadLines(_folder.At($"{run}/log.jsonl")).First())!;
        Assert.Equal(First("first")["loss_noise"]!.GetValue<double>(), First("third")["loss_noise"]!.GetValue<double>());
        Assert.NotEqual(First("first")["loss_output"]!.GetValue<double>(), First("third")["loss_output"]!.GetValue<double>());
    }

    [Fact]
    public void CaptionsAloneAreEnough()
    {
        _folder.WriteText("captions.txt", "a red heart\n\n  a star of clay \na house\na fox\n");
        TrainingConfig Config(string run, string cache, double heldOut = 0.25) => _folder.Settings(
            Settings, ("run", run), ("steps", 2), ("data", new JsonObject { ["captions"] = "captions.txt", ["size"] = 64, ["held_out"] = heldOut, ["cache"] = cache }),
            ("teacher_samples", new JsonObject { ["steps"] = 2 }));
        Assert.True(TrainingFolder.Train(Config("whole", "cache-1")).Finished);
        // Other captions held out are others trained on, but no other samples.
        foreach (double share in (double[])[0, 0.5])
            Assert.Contains("was made with other settings", Refusal(() => TrainingFolder.Train(Config("whole", "cache-1", share))), StringComparison.Ordinal);
        // Ended while the third picture is sampled, then started again.
        var told = new List<string>();
        using (var stop = new CancellationTokenSource())
        {
            Assert.ThrowsAny<OperationCanceledException>(() => Trainer.Run(Config("parts", "cache-2"), progress =>
            {
                if (progress.Message?.Contains("2 of 4", StringComparison.Ordinal) == true) stop.Cancel();
            }, stop.Token));
        }
        Assert.True(TrainingFolder.Train(Config("parts", "cache-2"), watch: progress => told.Add(progress.Message ?? "")).Finished);
        Assert.Contains(told, message => message.Contains("2 of 4", StringComparison.Ordinal));
        Assert.DoesNotContain(told, message => message.Contains("1 of 4", StringComparison.Ordinal));
        string[] samples = [.. new[] { "cache-1", "cache-2" }.Select(cache => Assert.Single(Directory.GetFiles(_folder.At(cache))))];
        Assert.Equal(File.ReadAllBytes(samples[0]), File.ReadAllBytes(samples[1]));
        AssertSameBits("whole", "parts", step: 2);
        Assert.True(File.Exists(_folder.At("whole/sheets/step-000000002.png")));
    }

    [Fact]
    public void CaptionsAreForDistillationAlone()
    {
        static (string, JsonNode?) Captions() => ("data", new JsonObject { ["captions"] = "captions.txt", ["size"] = 64 });
        Assert.Contains("cannot be read", Refusal(() => TrainingFolder.Train(_folder.Settings(Settings, Captions()))), StringComparison.Ordinal);
        _folder.WriteText("captions.txt", "\n \n");
        Assert.Contains("holds no captions", Refusal(() => TrainingFolder.Train(_folder.Settings(Settings, Captions()))), StringComparison.Ordinal);
        Assert.Contains("mirrors pictures", Refusal(() => _folder.Settings(Settings, Captions(), ("data.flip", true))), StringComparison.Ordinal);
        Assert.Contains("'data.captions' is for distillation", Refusal(() => _folder.Settings(TrainingFolder.ClassesOfPixels, Captions())), StringComparison.Ordinal);
        Assert.Contains("exactly one of", Refusal(() => _folder.Settings(Settings, ("data.captions", "captions.txt"))), StringComparison.Ordinal);
    }

    private static string Refusal(Action action) => Assert.Throws<MuralException>(action).Message;

    private static Dictionary<string, Tensor> Read(string path)
    {
        using SafetensorsFile file = SafetensorsFile.Open(path);
        return file.Tensors.Keys.ToDictionary(name => name, name => file.Read(name));
    }

    private void AssertSameBits(string one, string other, long step = 6)
    {
        foreach (string file in new[] { "model.safetensors", "ema.safetensors", "optimizer.safetensors" })
            Assert.Equal(File.ReadAllBytes(Path.Combine(_folder.Checkpoint(one, step), file)), File.ReadAllBytes(Path.Combine(_folder.Checkpoint(other, step), file)));
        Assert.Equal(_folder.Losses(one), _folder.Losses(other));
    }

    [Fact]
    public void StepsLeaveNothingBehind() => AssertFlat(_folder.Settings(Settings));

    [Fact]
    public void RecomputedStepsLeaveNothingBehind() => AssertFlat(_folder.Settings(Settings, ("gradient_checkpointing", true), ("teacher_cache_draws", 1)));

    private static void AssertFlat(TrainingConfig config)
    {
        var counts = new List<long>();
        TrainingFolder.Train(config, watch: progress =>
        {
            if (progress.Message is not null || progress.Step is not (> 1 and < 6)) return;
            // What other tests left to the finaliser.
            GC.Collect();
            GC.WaitForPendingFinalizers();
            counts.Add(Tensor.TotalCount);
        });
        Assert.Equal(4, counts.Count);
        Assert.All(counts, count => Assert.Equal(counts[0], count));
    }

    [Theory]
    [InlineData(TinyStableDiffusion.First, 1, "linfusion")]
    [InlineData(TinyStableDiffusion.Second, 4, "linfusion")]
    [InlineData(TinyStableDiffusion.XL, 16, "linfusion")]
    [InlineData(TinyStableDiffusion.First, 2, "unnormalized_linear_attention")]
    [InlineData(TinyStableDiffusion.First, 1, "bidirectional_mamba")]
    [InlineData(TinyStableDiffusion.First, 1, "bidirectional_mamba2")]
    public void TheResultIsACheckpointThatPaints(string model, int divisor, string mixer)
    {
        string settings = Path.GetFileName(_folder.WriteText("distill.json", Changed(model, divisor, mixer)));
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
        Assert.Equal(mixer, EnumNames.Of(config.Mixer));
        if (LinFusionConfig.HasMlp(config.Mixer)) Assert.All(config.Modules, module => Assert.Equal(Math.Max(module.Width / divisor, 1), module.MlpWidth));
        CommandRun painted = CommandRun.Of(
            "generate", "heart", "--model", TinyStableDiffusion.At(model), "--linfusion", result,
            "--size", "64x64", "--steps", "1", "--device", "cpu", "-o", _folder.At("heart.png"));
        Assert.True(painted.ExitCode == ExitCode.Success, painted.Error);
    }

    [Fact]
    public void ARunGoesOnFromACheckpoint()
    {
        string from = LinFusion.LinFusionGoldens.Beside("weights/tiny-sd15");
        TrainingFolder.Train(_folder.Settings(Settings, ("steps", 1), ("initialise_from", from), ("optimizer.learning_rate", 1e-12)));
        using UNet2DConditionModel expected = UNet2DConditionModel.FromFolder(Path.Combine(TinyStableDiffusion.At(TinyStableDiffusion.First), "unet")),
            found = UNet2DConditionModel.FromFolder(Path.Combine(TinyStableDiffusion.At(TinyStableDiffusion.First), "unet"));
        expected.LoadLinFusion(from);
        found.LoadLinFusion(_folder.At("run/result"));
        using var scope = NewDisposeScope();
        foreach ((Tensor one, Tensor other) in expected.LinearAttentions().parameters().Zip(found.LinearAttentions().parameters()))
            Assert.InRange((one - other).abs().max().item<float>(), 0, 1e-6f);
    }

    // Weights of the same names and shapes as those that are trained.
    [Fact]
    public void ACheckpointOfOtherHeadsOrAnotherMixerIsRefused()
    {
        const string weights = "diffusion_pytorch_model.safetensors";
        string from = LinFusion.LinFusionGoldens.Beside("weights/tiny-sd15"), config = File.ReadAllText(Path.Combine(from, "config.json"));
        Directory.CreateDirectory(_folder.At("other"));
        File.WriteAllBytes(_folder.At($"other/{weights}"), File.ReadAllBytes(Path.Combine(from, weights)));
        string RefusalOf(string start, string mixer, string text)
        {
            _folder.WriteText("other/config.json", text);
            return Refusal(() => TrainingFolder.Train(_folder.Settings(Settings, ("steps", 1), ("initialise_from", start), ("mixer", mixer))));
        }
        string heads = RefusalOf("other", "linfusion", config.Replace("\"heads\": 4", "\"heads\": 2", StringComparison.Ordinal));
        Assert.Contains("which has 2 heads in 32 channels", heads, StringComparison.Ordinal);
        Assert.Contains("but the teacher has 4 heads in 32 channels", heads, StringComparison.Ordinal);
        Assert.Contains("whose mixer is linfusion", RefusalOf("other", "causal_linear_attention", config), StringComparison.Ordinal);
    }

    [Fact]
    public void AnotherPrecisionIsToldByItsName()
    {
        TrainingFolder.Train(_folder.Settings(Settings, ("steps", 1)));
        string refused = Refusal(() => TrainingFolder.Train(_folder.Settings(Settings, ("steps", 1), ("precision", "bfloat16"))));
        Assert.Contains(" in float32, ", refused, StringComparison.Ordinal);
        Assert.Contains(" in bfloat16, ", refused, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("teacher", null, "'teacher' is missing")]
    [InlineData("mlp_divisor", 0, "'mlp_divisor' is 0")]
    [InlineData("loss.feature", -1, "'loss.feature' is -1")]
    [InlineData("sheet.captions", 0, "'sheet.captions' is 0")]
    [InlineData("data.size", 65, "'data.size' is 65")]
    public void ImpossibleSettingsAreRefused(string key, int? value, string expected) =>
        Assert.Contains(
            expected,
            Assert.Throws<MuralException>(() => TrainingFolder.Train(_folder.Settings(Settings, (key, value is { } number ? JsonValue.Create(number) : null)))).Message,
            StringComparison.Ordinal);

    [Fact]
    public void PerceptronsAreNotAskedOfAMixerWithoutThem() =>
        Assert.Contains(
            "the mixer mamba2 has no perceptrons",
            Assert.Throws<MuralException>(() => _folder.Settings(Settings, ("mixer", "mamba2"), ("mlp_divisor", 2))).Message, StringComparison.Ordinal);

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

    private static string Changed(string model, int divisor, string mixer)
    {
        JsonObject json = JsonNode.Parse(Settings)!.AsObject();
        json["teacher"] = TinyStableDiffusion.At(model);
        json["mlp_divisor"] = divisor;
        json["mixer"] = mixer;
        json["steps"] = 2;
        json["precision"] = "bfloat16";
        return json.ToJsonString();
    }
}
