using Mural.Training;
using Mural.Training.Data;

namespace Mural.Tests.Training;

public sealed class DiMConditionsTests : IDisposable
{
    private readonly TrainingFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void ClassesAreTheLabelsInOrder()
    {
        DiMConditions conditions = Read(new DiMTrainingConfig(), ["star"], ["heart"], ["star"]);
        Assert.Equal(["heart", "star"], conditions.Labels);
        using Tensor? batch = conditions.Batch([0, 1, 2], null), nothing = conditions.Nothing(batch);
        Assert.Equal([1, 0, 1], batch!.data<long>().ToArray());
        Assert.Equal([2, 2, 2], nothing!.data<long>().ToArray());
    }

    [Fact]
    public void WordsAreBagsOfTheVocabulary()
    {
        DiMConditions conditions = Read(new DiMTrainingConfig { Vocabulary = "vocabulary.txt" }, ["Star", "flat"], ["heart"], []);
        using Tensor? batch = conditions.Batch([0, 1, 2], null), nothing = conditions.Nothing(batch);
        Assert.Equal([3, 2], batch!.shape);
        Assert.Equal([1, 2, 0, -1, -1, -1], batch.data<long>().ToArray());
        Assert.All(nothing!.data<long>().ToArray(), label => Assert.Equal(-1, label));
    }

    [Fact]
    public void BalanceRepeatsPicturesOfRareWords()
    {
        // "flat" has nine pictures, "star" four, "heart" one.
        string[][] items = [["heart", "flat"], .. Enumerable.Repeat<string[]>(["star", "flat"], 4), .. Enumerable.Repeat<string[]>(["flat"], 4)];
        var config = new DiMTrainingConfig { Vocabulary = "vocabulary.txt", Balance = 0.5 };
        int[] rows = [.. Enumerable.Range(0, items.Length)];
        Assert.Equal([0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 6, 7, 8], Read(config, items).Balanced(rows));
        Assert.Equal([0, 0, 1, 1], Read(config with { Balance = 1 }, items).Balanced([0, 1, 1]).Order());
        Assert.Equal(rows, Read(config with { Balance = 0 }, items).Balanced(rows));
        Assert.Equal([0, 1], Read(new DiMTrainingConfig { Balance = 1 }, [], []).Balanced([0, 1]));
    }

    [Fact]
    public void ABalanceThatWouldShowPicturesEndlesslyIsRefused()
    {
        string[][] items = [["heart"], .. Enumerable.Repeat<string[]>(["star"], 500)];
        int[] rows = [.. Enumerable.Range(0, items.Length)];
        var config = new DiMTrainingConfig { Vocabulary = "vocabulary.txt", Balance = 1 };
        Assert.Equal(1000, Read(config, items).Balanced(rows).Count);
        MuralException problem = Assert.Throws<MuralException>(() => Read(config with { Balance = 2 }, items).Balanced(rows));
        Assert.Contains("'balance' is 2, with which an epoch would show 501 pictures 250,500 times, where at most 50,100 are possible", problem.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void WithoutLabelsThereIsNoCondition()
    {
        DiMConditions conditions = Read(new DiMTrainingConfig(), [], []);
        Assert.Null(conditions.Batch([0, 1], null));
        Assert.Null(conditions.Nothing(null));
    }

    [Fact]
    public void DropoutsLeaveOutTheirShares()
    {
        const int Count = 4000;
        var config = new DiMTrainingConfig { Vocabulary = "vocabulary.txt", StyleWords = ["flat", "3d"], LabelDropout = 0.2, WordDropout = 0.1, StyleDropout = 0.3 };
        DiMConditions conditions = Read(config, ["heart", "star", "flat"]);
        using Tensor batch = conditions.Batch([.. Enumerable.Repeat(0, Count)], new SplitMix(5))!;
        long[][] rows = [.. batch.data<long>().ToArray().Chunk((int)batch.shape[1]).Select(row => row.Where(label => label >= 0).ToArray())];
        double Share(Func<long[], bool> holds) => (double)rows.Count(holds) / Count;
        Assert.Equal(0.2, Share(row => row.Length == 0), 0.03);
        Assert.Equal(0.8 * 0.9, Share(row => row.Contains(0)), 0.03);
        Assert.Equal(0.8 * 0.9 * 0.7, Share(row => row.Contains(2)), 0.03);
    }

    [Fact]
    public void OneWordAlwaysStays()
    {
        var config = new DiMTrainingConfig { Vocabulary = "vocabulary.txt", StyleWords = ["flat"], LabelDropout = 0, WordDropout = 0.9, StyleDropout = 1 };
        DiMConditions conditions = Read(config, ["heart", "flat"], ["flat"]);
        using Tensor batch = conditions.Batch([.. Enumerable.Range(0, 1000).Select(i => i % 2)], new SplitMix(5))!;
        long[][] rows = [.. batch.data<long>().ToArray().Chunk((int)batch.shape[1]).Select(row => row.Where(label => label >= 0).ToArray())];
        Assert.All(rows, row => Assert.Single(row));
        Assert.All(rows.Where((_, i) => i % 2 == 1), row => Assert.Equal(2, row[0]));
        Assert.Contains(rows, row => row[0] == 0);
    }

    [Theory]
    [InlineData(0.0, 0.0, false)]
    [InlineData(0.1499, 0.15, true)]
    [InlineData(0.15, 0.15, false)]
    [InlineData(0.999, 1.0, true)]
    public void ADrawBelowTheShareDrops(double draw, double share, bool expected) => Assert.Equal(expected, ConditionDropout.Drops(draw, share));

    [Fact]
    public void WordsThatTheVocabularyLacksAreNamed()
    {
        MuralException problem = Assert.Throws<MuralException>(() => Read(new DiMTrainingConfig { Vocabulary = "vocabulary.txt" }, ["moon", "heart"], ["sun"]));
        Assert.Contains("lacks 2 words of the pictures (moon, sun); add them, one a line.", problem.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void ContradictionsAreOneSentence()
    {
        Assert.Contains("name a 'vocabulary'", Assert.Throws<MuralException>(() => Read(new DiMTrainingConfig(), ["a", "b"])).Message, StringComparison.Ordinal);
        Assert.Contains("give every picture a label, or none", Assert.Throws<MuralException>(() => Read(new DiMTrainingConfig(), ["a"], [])).Message, StringComparison.Ordinal);
        Assert.Contains(
            "'style_words' names 'oil'", Assert.Throws<MuralException>(() => Read(new DiMTrainingConfig { StyleWords = ["oil"] }, ["a"])).Message, StringComparison.Ordinal);
    }

    private DiMConditions Read(DiMTrainingConfig config, params string[][] words) => DiMConditions.Read(
        config with { SettingsPath = _folder.At("settings.json") }, [.. words.Select((w, i) => new PictureItem($"{i}.png", $"{i}", w, HeldOut: false))]);
}
