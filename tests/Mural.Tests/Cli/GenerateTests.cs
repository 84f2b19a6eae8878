using System.Text.Json.Nodes;
using Mural.Cli.CommandLine;
using Mural.Cli.Painting;
using Mural.Imaging;
using Mural.Tests.Pipelines;

namespace Mural.Tests.Cli;

public sealed class GenerateTests : IClassFixture<TinyDiM>, IDisposable
{
    private readonly TinyDiM _model;
    private readonly TemporaryFolder _folder = new();

    public GenerateTests(TinyDiM model) => _model = model;

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void ThePromptsWordsArePaintedAndTheRestIsNamed()
    {
        CommandRun run = Generate("red velvet heart", "--seed", "3", "--output", _folder.At("heart.png"), "--json");
        Assert.True(run.ExitCode == ExitCode.Success, run.Error);
        Assert.Equal(["red", "heart", "3d"], run.Json["words"]!.AsArray().Select(word => word!.GetValue<string>()));
        Assert.Equal(["velvet"], run.Json["ignoredWords"]!.AsArray().Select(word => word!.GetValue<string>()));
        Assert.Equal(_folder.At("heart.png"), run.Json["pictures"]![0]!["path"]!.GetValue<string>());
        PictureInfo info = PictureReader.Identify(_folder.At("heart.png"));
        Assert.Equal(run.Json["width"]!.GetValue<int>(), info.Width);
        Assert.StartsWith("red velvet heart\nSteps: 5, ", info.Metadata.Parameters, StringComparison.Ordinal);
        Assert.Equal(3, JsonNode.Parse(info.Metadata.MuralJson!)!["seed"]!.GetValue<int>());
    }

    [Fact]
    public void LikeRepeatsEveryPictureOfABatchBitForBit()
    {
        CommandRun run = Generate("cat", "--seed", "11", "--count", "3", "--guidance", "2.5", "--steps", "4", "-o", _folder.At("cat-{seed}.png"), "--precision", "bf16");
        Assert.True(run.ExitCode == ExitCode.Success, run.Error);
        foreach (string original in (string[])["cat-11.png", "cat-12.png", "cat-13.png"])
        {
            CommandRun again = Generate(null, "--like", _folder.At(original), "-o", _folder.At("again.png"));
            Assert.True(again.ExitCode == ExitCode.Success, again.Error);
            Assert.Equal(PictureReader.Read(_folder.At(original)).Data, PictureReader.Read(_folder.At("again.png")).Data);
            Assert.Equal(PictureRecipe.Of(_folder.At(original)), PictureRecipe.Of(_folder.At("again.png")));
        }
    }

    [Fact]
    public void WhatIsSaidBesideLikeChangesThePicture()
    {
        Generate("cat", "--seed", "1", "-o", _folder.At("one.png"));
        CommandRun run = Generate(null, "--like", _folder.At("one.png"), "--seed", "2", "-o", _folder.At("two.png"));
        Assert.True(run.ExitCode == ExitCode.Success, run.Error);
        Assert.Equal(PictureRecipe.Of(_folder.At("one.png")) with { Seed = 2 }, PictureRecipe.Of(_folder.At("two.png")));
        Assert.NotEqual(PictureReader.Read(_folder.At("one.png")).Data, PictureReader.Read(_folder.At("two.png")).Data);
    }

    [Fact]
    public void SeveralPicturesNeverShareAName()
    {
        CommandRun run = Generate("dog", "--count", "2", "--seed", "5", "-o", _folder.At("dog.png"));
        Assert.True(run.ExitCode == ExitCode.Success, run.Error);
        Assert.Equal(["dog-1.png", "dog-2.png"], Directory.GetFiles(_folder.Path).Select(Path.GetFileName).Order());
    }

    [Fact]
    public async Task ARunThatIsEndedKeepsWhatItHasPainted()
    {
        using var source = new CancellationTokenSource();
        Task<CommandRun> running = Task.Run(() => CommandRun.Of(source.Token, "generate", "dog", "--model", _model.Folder, "--count", "500", "-o", _folder.At("dog.png")));
        while (!running.IsCompleted && !File.Exists(_folder.At("dog-001.png"))) await Task.Delay(10, TestContext.Current.CancellationToken);
        await source.CancelAsync();
        Assert.Equal(ExitCode.Cancelled, (await running).ExitCode);
        Assert.InRange(Directory.GetFiles(_folder.Path).Length, 1, 400);
    }

    [Fact]
    public void AnUpscaledPictureIsAsManyTimesLarger()
    {
        CommandRun plain = Generate("tree", "--steps", "2", "-o", _folder.At("plain.png"), "--json");
        CommandRun large = Generate("tree", "--steps", "2", "--upscale", "2", "-o", _folder.At("large.png"), "--json");
        Assert.True(large.ExitCode == ExitCode.Success, large.Error);
        Assert.Equal(2 * plain.Json["width"]!.GetValue<int>(), PictureReader.Identify(_folder.At("large.png")).Width);
    }

    [Theory]
    [InlineData("-o heart.bmp", ExitCode.Problem, ".bmp")]
    [InlineData("-o heart", ExitCode.Problem, "no extension")]
    [InlineData("-o heart-{nr}.png", ExitCode.Problem, "{nr}")]
    [InlineData("--size large", ExitCode.Usage, "--size takes a width and a height such as 256x384, not 'large'")]
    [InlineData("--size 0x64", ExitCode.Usage, "--size")]
    [InlineData("--size 33x64", ExitCode.Problem, "multiple of")]
    [InlineData("--count 0", ExitCode.Usage, "--count")]
    [InlineData("--seed -1", ExitCode.Usage, "--seed")]
    [InlineData("--like missing.png", ExitCode.Problem, "missing.png")]
    [InlineData("--device abacus", ExitCode.Problem, "abacus")]
    public void WhatCannotBePaintedIsOneSentence(string options, int exitCode, string reason)
    {
        CommandRun run = Generate(
            "red heart", [.. options.Split(' ').Select(word => word.Contains('.') || word.StartsWith("heart", StringComparison.Ordinal) ? _folder.At(word) : word)]);
        Assert.Equal(exitCode, run.ExitCode);
        Assert.Contains(reason, Assert.Single(run.Problems), StringComparison.Ordinal);
        Assert.Empty(Directory.GetFiles(_folder.Path));
    }

    [Fact]
    public void APictureWithoutARecipeCannotBeRepeated()
    {
        PictureWriter.Write(_folder.At("photo.png"), new Picture(4, 4, 3));
        CommandRun run = CommandRun.Of("generate", "--like", _folder.At("photo.png"));
        Assert.Equal(ExitCode.Problem, run.ExitCode);
        Assert.Contains("photo.png does not say", Assert.Single(run.Problems), StringComparison.Ordinal);
    }

    [Fact]
    public void AnUnknownModelIsOneSentence()
    {
        CommandRun run = CommandRun.Of("generate", "heart", "--model", "nothing-of-that-name");
        Assert.Equal(ExitCode.Problem, run.ExitCode);
        Assert.Contains("nothing-of-that-name", Assert.Single(run.Problems), StringComparison.Ordinal);
    }

    [Fact]
    public void ACancelledRunLeavesNoFile()
    {
        CommandRun run = CommandRun.Of(new CancellationToken(canceled: true), "generate", "heart", "--model", _model.Folder, "-o", _folder.At("heart.png"));
        Assert.Equal(ExitCode.Cancelled, run.ExitCode);
        Assert.Empty(Directory.GetFileSystemEntries(_folder.Path));
    }

    private CommandRun Generate(string? prompt, params string[] options) => CommandRun.Generate(_model.Folder, prompt, options);
}
