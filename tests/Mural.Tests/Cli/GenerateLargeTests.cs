using Mural.Cli.CommandLine;
using Mural.Imaging;
using Mural.Tests.LinFusion;
using Mural.Tests.Pipelines;

namespace Mural.Tests.Cli;

/// <summary><c>mural generate --upscale-to</c>.</summary>
public sealed class GenerateLargeTests : IDisposable
{
    private const string Fast = "--size 32x24 --upscale-to 128x96 --steps 4 --seed 3 --precision f32 --device cpu";

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void LargePictureIsPaintedAndRepeated()
    {
        string linear = $"--linfusion {LinFusionGoldens.Beside("weights/tiny-sd15")}";
        CommandRun run = Generate(TinyStableDiffusion.First, $"{Fast} --upscale-strength 0.6 --deep-zoom {linear}", "large.png");
        Assert.True(run.ExitCode == ExitCode.Success, run.Error);
        Picture painted = PictureReader.Read(_folder.At("large.png"));
        Assert.Equal((128, 96), (painted.Width, painted.Height));
        Assert.True(File.Exists(_folder.At("large.dzi")) && !Directory.Exists(_folder.At("large.png.stages")));
        CommandRun again = Generate(TinyStableDiffusion.First, $"--like {_folder.At("large.png")} --device cpu {linear}", "again.png");
        Assert.True(again.ExitCode == ExitCode.Success, again.Error);
        Assert.Equal(painted.Data, PictureReader.Read(_folder.At("again.png")).Data);
    }

    [Fact]
    public void MethodAndItsSettingsAreRepeatedToo()
    {
        CommandRun run = Generate(TinyStableDiffusion.XL, $"{Fast} --upscale-method highres --dilation 2/1/1/0.5 --sampler euler", "large.png");
        Assert.True(run.ExitCode == ExitCode.Success, run.Error);
        CommandRun again = Generate(TinyStableDiffusion.XL, $"--like {_folder.At("large.png")} --device cpu", "again.png"),
            plain = Generate(TinyStableDiffusion.XL, $"{Fast} --sampler euler", "plain.png");
        Assert.True(again.ExitCode == ExitCode.Success && plain.ExitCode == ExitCode.Success, again.Error + plain.Error);
        Assert.Equal(PictureReader.Read(_folder.At("large.png")).Data, PictureReader.Read(_folder.At("again.png")).Data);
        Assert.NotEqual(PictureReader.Read(_folder.At("large.png")).Data, PictureReader.Read(_folder.At("plain.png")).Data);
    }

    [Fact]
    public void GivenPictureIsEnlarged()
    {
        PictureWriter.Write(_folder.At("small.png"), TinyStableDiffusion.Gradient(40, 24));
        CommandRun run = Generate(
            TinyStableDiffusion.XL,
            $"--upscale-to 160x96 --upscale-method superres --init-image {_folder.At("small.png")} --steps 4 --sampler euler --precision f32 --device cpu --keep-stages",
            "large.tif");
        Assert.True(run.ExitCode == ExitCode.Success, run.Error);
        Assert.True(File.Exists(_folder.At("large.tif")) && Directory.Exists(_folder.At("large.tif.stages")));
    }

    [Theory]
    [InlineData("--deep-zoom", "--upscale-to")]
    [InlineData("--upscale-to 128x96 --upscale-method highres --dilation 3/1", "four numbers")]
    [InlineData("--upscale-to 128x96 --upscale-method superres", "none was given")]
    [InlineData("--upscale-to 128x96 --count 2", "one at a time")]
    [InlineData("--upscale-to 128x96 --preview 2", "--preview is for")]
    [InlineData("--upscale-to 128x96 --dilation 3/1/1/0.8", "--dilation is for")]
    [InlineData("--upscale-to 256x192 --upscale-method superres --size 64x64", "--size is for")]
    [InlineData("--upscale-to 256x192 --upscale-method superres --strength 0.5", "--strength is for")]
    [InlineData("--upscale-to 256x192 --upscale-method superres --refiner nowhere", "--refiner is for")]
    public void WrongOptionsAreExplained(string options, string expected) =>
        Assert.Contains(expected, Assert.Single(Generate(TinyStableDiffusion.First, options, "large.png").Problems), StringComparison.Ordinal);

    [Fact]
    public void SmallPictureIsTheFirstStageOfItsEnlargement()
    {
        CommandRun small = Generate(TinyStableDiffusion.First, "--size 48x32 --steps 4 --seed 3 --precision f32 --device cpu", "small.png");
        Assert.True(small.ExitCode == ExitCode.Success, small.Error);
        CommandRun large = Generate(TinyStableDiffusion.First, $"--like {_folder.At("small.png")} --upscale-to 96x64 --device cpu", "large.png");
        Assert.True(large.ExitCode == ExitCode.Success, large.Error);
        Assert.Contains("48x32 -> 96x64", large.Out, StringComparison.Ordinal);
    }

    // Its seed was drawn, and nobody has seen it.
    [Theory]
    [InlineData("large.png")]
    [InlineData("large-{n}.png")]
    public void TheSameCommandGoesOnWithThePictureThatItBegan(string output)
    {
        const string options = "--size 32x24 --upscale-to 64x48 --steps 4 --precision f32 --device cpu --keep-stages";
        CommandRun run = Generate(TinyStableDiffusion.First, options, output), again = Generate(TinyStableDiffusion.First, options, output);
        Assert.True(run.ExitCode == ExitCode.Success && again.ExitCode == ExitCode.Success, run.Error + again.Error);
        Assert.Single(Directory.GetDirectories(_folder.Path));
    }

    [Fact]
    public void HowARepeatedPictureBeganIsNothingToSuperResolution()
    {
        CommandRun small = Generate(TinyStableDiffusion.First, "--size 48x32 --steps 4 --seed 3 --sampler euler --precision f32 --device cpu", "small.png");
        Assert.True(small.ExitCode == ExitCode.Success, small.Error);
        string picture = _folder.At("small.png");
        CommandRun large = Generate(TinyStableDiffusion.First, $"--like {picture} --init-image {picture} --upscale-to 256x192 --upscale-method superres --device cpu", "large.png");
        Assert.True(large.ExitCode == ExitCode.Success, large.Error);
        Assert.Contains("48x32 -> 256x192", large.Out, StringComparison.Ordinal);
    }

    [Fact]
    public void WhatCannotBeWrittenIsToldBeforePainting()
    {
        Assert.Contains(
            "too large for WebP", Assert.Single(Generate(TinyStableDiffusion.First, "--size 32x8 --upscale-to 32768x64", "large.webp").Problems), StringComparison.Ordinal);
        string tiles = Directory.CreateDirectory(_folder.At("large_files")).FullName;
        Assert.Contains("may not be a pyramid", Assert.Single(Generate(TinyStableDiffusion.First, $"{Fast} --deep-zoom", "large.png").Problems), StringComparison.Ordinal);
        Assert.Equal([tiles], Directory.GetFileSystemEntries(_folder.Path));
    }

    private CommandRun Generate(string model, string options, string output) => CommandRun.Generate(TinyStableDiffusion.At(model), "fox", options, _folder.At(output));
}
