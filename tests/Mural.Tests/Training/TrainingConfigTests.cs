using System.Text.Json.Nodes;
using Mural.Runtime;
using Mural.Training;

namespace Mural.Tests.Training;

public sealed class TrainingConfigTests : IDisposable
{
    private readonly TrainingFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void DefaultsAreThoseOfTheDocumentation()
    {
        string path = _folder.WriteText("short.json", """
            {
              // Comments are allowed, and a comma at the end.
              "kind": "dim", "run": "r", "steps": 5, "data": { "folder": "pictures" },
            }
            """);
        var config = Assert.IsType<DiMTrainingConfig>(TrainingConfig.Read(path));
        Assert.Equal((32, 1, 1234L, null, "auto"), (config.Batch, config.Accumulation, config.Seed, config.Precision, config.Device));
        Assert.Equal((2e-4, 0.03, 1.0), (config.Optimizer.LearningRate, config.Optimizer.WeightDecay, config.Optimizer.MaxGradNorm));
        Assert.Null(Assert.IsType<DiMTrainingConfig>(_folder.Settings(TrainingFolder.ClassesOfPixels)).MinSnrGamma);
        Assert.Equal(Path.GetFullPath(path), config.SettingsPath);
    }

    [Fact]
    public void ThePrecisionIsTheFasterOneUnlessItIsNamed()
    {
        TrainingConfig config = new VaeTrainingConfig { Device = "cpu" };
        Assert.Equal(RuntimePlan.Choose(new RuntimeOptions { Device = "cpu" }).Precision, config.ChooseRuntime().Precision);
        foreach (Precision named in (Precision[])[Precision.Float32, Precision.BFloat16]) Assert.Equal(named, (config with { Precision = named }).ChooseRuntime().Precision);
    }

    [Theory]
    [InlineData("optimizer")]
    [InlineData("data")]
    [InlineData("run")]
    public void NullIsOnlyForWhatCanBeMissing(string key)
    {
        string path = _folder.WriteText("null.json", $$"""{ "kind": "vae", "steps": 5, "{{key}}": null }""");
        MuralException problem = Assert.Throws<MuralException>(() => TrainingConfig.Read(path));
        Assert.Contains($"the value at $.{key} has the wrong type", problem.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void ClippingCanBeSwitchedOff()
    {
        string path = _folder.WriteText("off.json", """{ "kind": "vae", "run": "r", "steps": 5, "data": { "folder": "p" }, "optimizer": { "max_grad_norm": null } }""");
        Assert.Null(TrainingConfig.Read(path).Optimizer.MaxGradNorm);
    }

    [Theory]
    [InlineData("optimizer.learning_speed", "1", "'optimizer.learning_speed'", "learning_rate")]
    [InlineData("Batch", "4", "'Batch'", "batch")]
    [InlineData("data.colour", "4", "'data.colour'", "background")]
    [InlineData("batch", "\"many\"", "$.batch", "wrong type")]
    [InlineData("precision", "\"float64\"", "$.precision", "wrong type")]
    [InlineData("precision", "\"float16\"", "'precision'", "bfloat16 or float32")]
    [InlineData("batch", "0", "'batch'", "outside 1 to")]
    [InlineData("accumulation", "-1", "'accumulation'", "outside 1 to")]
    [InlineData("steps", "0", "'steps'", "outside 1 to")]
    [InlineData("steps", null, "'steps'", "'max_minutes'")]
    [InlineData("max_minutes", "0", "'max_minutes'", "positive")]
    [InlineData("run", "\"\"", "'run'", "folder")]
    [InlineData("optimizer.learning_rate", "0", "'optimizer.learning_rate'", "positive")]
    [InlineData("optimizer.betas", "[0.9]", "'optimizer.betas'", "two are expected")]
    [InlineData("optimizer.betas", "[0.9, 1]", "'optimizer.betas'", "outside 0 to")]
    [InlineData("optimizer.eps", "-1", "'optimizer.eps'", "outside")]
    [InlineData("optimizer.weight_decay", "-1", "'optimizer.weight_decay'", "outside")]
    [InlineData("optimizer.max_grad_norm", "0", "'optimizer.max_grad_norm'", "positive")]
    [InlineData("schedule.warmup_steps", "-1", "'schedule.warmup_steps'", "outside")]
    [InlineData("schedule.final_fraction", "2", "'schedule.final_fraction'", "outside")]
    [InlineData("schedule.decay", "\"step\"", "$.schedule.decay", "wrong type")]
    [InlineData("ema.decay", "1", "'ema.decay'", "outside")]
    [InlineData("checkpoint_minutes", "0", "'checkpoint_minutes'", "positive")]
    [InlineData("log_steps", "0", "'log_steps'", "outside")]
    [InlineData("data.size", "4", "'data.size'", "outside")]
    [InlineData("data.held_out", "0.6", "'data.held_out'", "outside")]
    [InlineData("data.background", "\"greenish\"", "greenish", "#")]
    [InlineData("data.index", "\"list.jsonl\"", "'data.folder'", "exactly one")]
    [InlineData("data.folder", null, "'data.folder'", "exactly one")]
    [InlineData("label_dropout", "1.5", "'label_dropout'", "outside")]
    [InlineData("word_dropout", "1", "'word_dropout'", "outside")]
    [InlineData("style_dropout", "0.5", "'style_dropout'", "'style_words'")]
    [InlineData("min_snr_gamma", "0", "'min_snr_gamma'", "positive")]
    [InlineData("sheet.pictures", "0", "'sheet.pictures'", "outside")]
    [InlineData("model.blocks", "4", "blocks = 4", "must be odd")]
    [InlineData("model.width", "0", "width = 0", "at least 1")]
    [InlineData("model.patch_size", "0", "patch_size = 0", "at least 1")]
    [InlineData("model.patch_size", "3", "'data.size' is 16", "'model.patch_size' = 3")]
    [InlineData("sheet.guidance", "-1", "'sheet.guidance'", "outside")]
    [InlineData("sheet.guidance", "0", "'sheet.guidance' is 0", "1 paints without guidance")]
    [InlineData("sheet.steps", "0", "'sheet.steps'", "outside")]
    [InlineData("kind", "\"gan\"", "'gan'", "\"vae\", \"dim\", \"unet\", \"linfusion\" or \"judge\"")]
    public void AWrongSettingIsOneSentence(string key, string? value, string named, string expected)
    {
        MuralException problem = Assert.Throws<MuralException>(() => _folder.Settings(TrainingFolder.ClassesOfPixels, (key, value is null ? null : JsonNode.Parse(value))));
        Assert.Contains(named, problem.Message, StringComparison.Ordinal);
        Assert.Contains(expected, problem.Message, StringComparison.Ordinal);
        Assert.EndsWith(".", problem.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("device", "\"gpu\"", "'gpu'")]
    [InlineData("vocabulary", "\"nowhere.txt\"", "nowhere.txt")]
    [InlineData("autoencoder", "\"nowhere\"", "nowhere")]
    [InlineData("initialise_from", "\"nowhere\"", "nowhere")]
    public void WhatOnlyTheRunCanFindIsOneSentenceToo(string key, string value, string named)
    {
        MuralException problem = Assert.Throws<MuralException>(() => TrainingFolder.Train(_folder.Settings(TrainingFolder.ClassesOfPixels, (key, JsonNode.Parse(value)))));
        Assert.Contains(named, problem.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("loss.l1", "-1", "'loss.l1'")]
    [InlineData("data.size", "17", "'data.size' is 17; a multiple of 2")]
    [InlineData("model.norm_num_groups", "3", "norm_num_groups")]
    [InlineData("label_dropout", "0.1", "'label_dropout'")]
    public void AutoencodersHaveTheirOwnRules(string key, string value, string named)
    {
        MuralException problem = Assert.Throws<MuralException>(() => _folder.Settings(TrainingFolder.Autoencoder, (key, JsonNode.Parse(value))));
        Assert.Contains(named, problem.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void AnAutoencoderThatDoesNotFitIsNamed()
    {
        MuralException problem = Assert.Throws<MuralException>(() => TrainingFolder.Train(_folder.Settings(TrainingFolder.WordsOfLatents, ("data.size", 36))));
        Assert.Contains("'data.size' is 36; a multiple of 8", problem.Message, StringComparison.Ordinal);
        // Found before anything is encoded: 5 positions of the latents are no whole patches of 2.
        problem = Assert.Throws<MuralException>(() => TrainingFolder.Train(_folder.Settings(TrainingFolder.WordsOfLatents, ("data.size", 40))));
        Assert.Contains("sample_size = 5; it must be a multiple of patch_size = 2", problem.Message, StringComparison.Ordinal);
        Assert.Empty(Directory.GetFiles(_folder.At("cache"), "latents-*"));
    }
}
