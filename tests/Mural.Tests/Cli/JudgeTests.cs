using Mural.Cli.CommandLine;
using Mural.Cli.Painting;
using Mural.Imaging;
using Mural.Tests.Pipelines;

namespace Mural.Tests.Cli;

/// <summary><c>mural judge</c> with a judge that was trained for two steps.</summary>
public sealed class JudgeTests : IClassFixture<TinyJudge>, IDisposable
{
    private readonly TinyJudge _judge;
    private readonly TemporaryFolder _folder = new();

    public JudgeTests(TinyJudge judge) => _judge = judge;

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void RealPicturesAreJudgedBySplit()
    {
        CommandRun test = Judge(_judge.List, "--split", "test", "--candidates", "4", "--json"), train = Judge(_judge.List, "--split", "train", "--candidates", "4", "--json");
        Assert.True(test.ExitCode == ExitCode.Success, test.Error);
        Assert.Equal((1, 11, 4, 8), (Number(test, "pictures"), Number(test, "realPictures"), Number(test, "candidates"), Number(test, "features")));
        Assert.Null(test.Json["distance"]);
        Assert.Contains("no covariance", Assert.Single(test.Problems), StringComparison.Ordinal);
        Assert.Equal(11, Number(train, "pictures"));
        Assert.Equal(0, train.Json["distance"]!.GetValue<double>(), 1e-9);
        Assert.InRange(train.Json["meanRank"]!.GetValue<double>(), 1, 4);
        CommandRun told = Judge(_judge.List, "--candidates", "4");
        Assert.Contains("12 pictures: caption found among 4 for ", told.Out, StringComparison.Ordinal);
        Assert.Contains("distance to 11 real pictures: ", told.Out, StringComparison.Ordinal);
    }

    [Fact]
    public void PaintedPicturesCarryTheirCaptions()
    {
        for (int i = 0; i < 3; i++)
        {
            var parameters = new GenerationParameters { Prompt = i == 0 ? "velvet hearts, flat" : "star 3d", Steps = 5, Sampler = "DPM-Solver", GuidanceScale = 3, Seed = i };
            PictureWriter.Write(_folder.At($"painted/{i}.png"), Picture.Filled(40, 24, new Rgb((byte)(i * 80), 0, 200)), null, PictureMetadata.Of(parameters, null));
        }
        CommandRun run = Judge(_folder.At("painted"), "--candidates", "3", "--json");
        Assert.True(run.ExitCode == ExitCode.Success, run.Error);
        Assert.Equal(3, Number(run, "pictures"));
        Assert.True(run.Json["distance"]!.GetValue<double>() > 0);
        Assert.Equal(2, run.Problems.Length);
        Assert.Contains("3 pictures are fewer than needed for a covariance of 8 features", run.Problems[0], StringComparison.Ordinal);
        Assert.Contains("these words of the captions and leaves them out: velvet.", run.Problems[1], StringComparison.Ordinal);
    }

    [Fact]
    public void TextFilesBesidePicturesAreCaptionsToo()
    {
        PictureWriter.Write(_folder.At("plain/one.png"), Picture.Filled(16, 16, Rgb.White));
        PictureWriter.Write(_folder.At("plain/two.png"), Picture.Filled(16, 16, Rgb.Black));
        File.WriteAllText(_folder.At("plain/one.txt"), "a heart");
        Assert.Contains("two.png' has no caption", Problem(_folder.At("plain")), StringComparison.Ordinal);
        File.WriteAllText(_folder.At("plain/two.txt"), "a house");
        Assert.Contains("The judge knows no word of the caption 'a house'", Problem(_folder.At("plain")), StringComparison.Ordinal);
        File.WriteAllText(_folder.At("plain/two.txt"), "stars");
        CommandRun run = Judge(_folder.At("plain"), "--candidates", "4", "--json");
        Assert.True(run.ExitCode == ExitCode.Success, run.Error);
    }

    [Fact]
    public void WhatCannotBeJudgedIsOneSentence()
    {
        Assert.Contains("no folder or list of pictures", Problem(_folder.At("nowhere")), StringComparison.Ordinal);
        Assert.Contains("2 to 4 are possible", Problem(_judge.List, "--candidates", "5"), StringComparison.Ordinal);
        Assert.Contains("no pictures of the split test", Problem(_judge.Folder.At("pictures"), "--split", "test"), StringComparison.Ordinal);
        Directory.CreateDirectory(_folder.At("empty"));
        Assert.Contains("holds no pictures", Problem(_folder.At("empty")), StringComparison.Ordinal);
        CommandRun vae = CommandRun.Of("judge", _judge.Folder.At("vae"), "--pictures", _judge.List, "--real", _judge.List);
        Assert.Contains("describes AutoencoderKL, but JudgeModel is wanted", Assert.Single(vae.Problems), StringComparison.Ordinal);
        CommandRun none = CommandRun.Of("judge", _folder.At("empty"), "--pictures", _judge.List, "--real", _judge.List);
        Assert.Contains("config.json", Assert.Single(none.Problems), StringComparison.Ordinal);
    }

    [Fact]
    public void AVocabularyOfAnotherJudgeIsRefused()
    {
        foreach (string file in Directory.GetFiles(_judge.Result)) File.Copy(file, _folder.At(Path.GetFileName(file)));
        File.AppendAllText(_folder.At("vocabulary.txt"), "moon\n");
        CommandRun run = CommandRun.Of("judge", _folder.Path, "--pictures", _judge.List, "--real", _judge.List);
        Assert.Contains("has 5 words, but the judge was trained with 4", Assert.Single(run.Problems), StringComparison.Ordinal);
        Assert.Equal("judge of pictures and words", CommandRun.Of("inspect", Path.Combine(_judge.Result, "model.safetensors"), "--json").Json["family"]!.GetValue<string>());
    }

    [Fact]
    public void AJudgeBesideAModelIsNoPartOfIt()
    {
        using var model = new TinyDiM();
        var folder = new ModelFolder(model.Folder, BuiltIn: false);
        (string hash, long bytes) = (folder.Hash(), folder.Bytes);
        Directory.CreateDirectory(Path.Combine(model.Folder, "judge"));
        File.Copy(Path.Combine(_judge.Result, "model.safetensors"), Path.Combine(model.Folder, "judge", "model.safetensors"));
        Assert.Equal((hash, bytes), (folder.Hash(), folder.Bytes));
    }

    private CommandRun Judge(string pictures, params string[] more) => CommandRun.Of(["judge", _judge.Result, "--pictures", pictures, "--real", _judge.List, .. more]);

    private string Problem(string pictures, params string[] more)
    {
        CommandRun run = Judge(pictures, more);
        Assert.Equal(ExitCode.Problem, run.ExitCode);
        return Assert.Single(run.Problems);
    }

    private static int Number(CommandRun run, string key) => run.Json[key]!.GetValue<int>();
}
