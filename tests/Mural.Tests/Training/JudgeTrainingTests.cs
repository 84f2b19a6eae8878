using System.Text.Json.Nodes;
using Mural.Checkpoints;
using Mural.Evaluation;
using Mural.Imaging;
using Mural.Training;

namespace Mural.Tests.Training;

/// <summary>What is a judge's own; that it resumes to the bit and leaves nothing behind is tested with the other trainings.</summary>
public sealed class JudgeTrainingTests : IDisposable
{
    private readonly TrainingFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void TheLossFallsAndTheResultFindsWhatItLearned()
    {
        TrainingOutcome outcome = TrainingFolder.Train(_folder.Settings(
            TrainingFolder.Judge, ("steps", 60), ("data.flip", false), ("accumulation", 1),
            ("batch", 6), ("optimizer.learning_rate", 1e-2), ("optimizer.betas", new JsonArray(0.9, 0.99))));
        double[] losses = [.. _folder.Losses("run").Values];
        Assert.True(losses[^20..].Average() < 0.8 * losses[..10].Average(), $"{losses[..10].Average()} to {losses[^20..].Average()}");
        Assert.Contains("found_held_out", File.ReadAllText(_folder.At("run/log.jsonl")), StringComparison.Ordinal);
        Assert.True(PictureReader.Read(_folder.At("run/sheets/step-000000060.png")).Width >= 192);

        using Judge judge = Judge.Open(outcome.ResultFolder, CPU);
        Assert.Equal(["heart", "star", "flat", "3d"], judge.Vocabulary.Words);
        JudgedPictures list = JudgedPictures.Read(_folder.At("list.jsonl"), judge.Vocabulary);
        Judgement judgement = judge.Run(list, PictureSplit.Train, list, PictureSplit.Train, candidates: 4);
        // Refused before a picture is looked at.
        MuralException problem = Assert.Throws<MuralException>(() => judge.Run(
            list, PictureSplit.Train, list, PictureSplit.Train, candidates: 5, progress: (_, _) => Assert.Fail("A picture was looked at.")));
        Assert.Contains("2 to 4 are possible", problem.Message, StringComparison.Ordinal);
        Assert.Equal((11, 4, 11, 8), (judgement.Pictures, judgement.Candidates, judgement.RealPictures, judgement.Features));
        Assert.Equal(0, judgement.Distance!.Value, 1e-9);
        Assert.True(judgement.Found > 0.5, $"{judgement.Found}");
        double[] shares = [.. File.ReadLines(_folder.At("run/log.jsonl")).Select(line => JsonNode.Parse(line)!["found"])
            .OfType<JsonNode>().Select(share => share.GetValue<double>())];
        // What the training measured is in float32, what was judged is the result in float16.
        Assert.Equal(judgement.Found, shares[^1], 0.1);
    }

    [Fact]
    public void TheResultIsSmallAndReadsBack()
    {
        TrainingOutcome outcome = TrainingFolder.Train(_folder.Settings(TrainingFolder.Judge, ("steps", 2)));
        using JudgeModel model = JudgeModel.FromFolder(outcome.ResultFolder, CPU);
        Assert.Equal((16, 4, "#ffffff"), (model.Config.ImageSize, model.Config.Words, model.Config.Background.ToString()));
        Assert.Equal([8, 16], model.Config.Architecture.BlockOutChannels);
        using SafetensorsFile average = SafetensorsFile.Open(Path.Combine(_folder.Checkpoint("run", 2), "ema.safetensors"));
        using var scope = NewDisposeScope();
        foreach ((string name, Tensor place) in ModuleWeights.Places(model)) Assert.True(average.Read(name).to(float16).to(float32).equal(place).all().item<bool>(), name);
    }

    [Theory]
    [InlineData("vocabulary", "\"\"", "'vocabulary'")]
    [InlineData("batch", "1", "'batch'")]
    [InlineData("data.size", "20", "'data.size' is 20; a multiple of 8")]
    [InlineData("model.norm_num_groups", "3", "norm_num_groups")]
    [InlineData("model.word_width", "0", "word_width")]
    [InlineData("model.words", "4", "'model.words'")]
    [InlineData("augmentation.shift", "2", "'augmentation.shift'")]
    [InlineData("augmentation.twist", "2", "'augmentation.twist'")]
    public void AWrongSettingIsOneSentence(string key, string value, string named)
    {
        MuralException problem = Assert.Throws<MuralException>(() => _folder.Settings(TrainingFolder.Judge, (key, JsonNode.Parse(value))));
        Assert.Contains(named, problem.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("heart", "lacks 3 words of the pictures")]
    [InlineData("heart\nstar\nflat\n3d", "have the same words")]
    public void PicturesThatTeachNothingAreRefused(string words, string expected)
    {
        _folder.WriteText("vocabulary.txt", words);
        if (words.Contains("star", StringComparison.Ordinal))
            _folder.WriteText("list.jsonl", string.Join('\n', File.ReadLines(_folder.At("list.jsonl"))
                .Where(line => line.Contains("heart", StringComparison.Ordinal) && line.Contains("3d", StringComparison.Ordinal))));
        Assert.Contains(expected, Assert.Throws<MuralException>(() => TrainingFolder.Train(_folder.Settings(TrainingFolder.Judge))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void APictureWithoutWordsIsNamed()
    {
        string list = File.ReadAllText(_folder.At("list.jsonl")).Replace("""["star", "3d"], "split": "train"}""", """[], "split": "train"}""", StringComparison.Ordinal);
        _folder.WriteText("list.jsonl", list);
        Assert.Contains("has no words", Assert.Throws<MuralException>(() => TrainingFolder.Train(_folder.Settings(TrainingFolder.Judge))).Message, StringComparison.Ordinal);
    }
}
