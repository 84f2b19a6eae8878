using Mural.Cli.CommandLine;
using Mural.Imaging;
using Mural.Tests.Pipelines;

namespace Mural.Tests.Cli;

/// <summary><c>mural compare</c>.</summary>
[Trait("Area", "hidiffusion")]
public sealed class CompareTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void FourPicturesLieOnOneSheetWithTheirTimes()
    {
        CommandRun run = Compare($"--model {TinyStableDiffusion.At(TinyStableDiffusion.First)} --size 144x136 --steps 4 --seed 3 --precision f32 --device cpu --t2 0.25 --json");
        Assert.True(run.ExitCode == ExitCode.Success, run.Error);
        Assert.Equal(["plain", "RAU-Net only", "windows only", "both"], run.Json["pictures"]!.AsArray().Select(picture => picture!["name"]!.GetValue<string>()));
        Assert.All(run.Json["pictures"]!.AsArray(), picture => Assert.True(picture!["seconds"]!.GetValue<double>() > 0));
        Assert.Equal("auto T2=0.25", run.Json["hiDiffusion"]!.GetValue<string>());
        Picture sheet = PictureReader.Read(_folder.At("sheet.png"));
        Assert.True(sheet.Width > 2 * 144 && sheet.Height > 2 * 136);
        // All four differ.
        string[] cells = [.. from row in Enumerable.Range(0, 2) from column in Enumerable.Range(0, 2)
            select Convert.ToHexString(sheet.Crop(4 + column * 148, 4 + row * (sheet.Height - 4) / 2, 144, 130).Data)];
        Assert.Equal(4, cells.Distinct().Count());
    }

    [Theory]
    [InlineData("--model emoji", "DiM")]
    [InlineData("--hidiffusion=off", "nothing to compare")]
    public void WhatCannotBeComparedIsOneSentence(string options, string sentence)
    {
        string model = options.Contains("--model", StringComparison.Ordinal) ? "" : $"--model {TinyStableDiffusion.At(TinyStableDiffusion.First)} ";
        Assert.Contains(sentence, Assert.Single(Compare(model + options).Problems), StringComparison.Ordinal);
    }

    private CommandRun Compare(string options) => CommandRun.Of(["compare", "a fox", .. options.Split(' '), "-o", _folder.At("sheet.png")]);
}
