using Mural.Cli.CommandLine;
using Mural.Imaging;
using Mural.Tests.LinFusion;
using Mural.Tests.Pipelines;

namespace Mural.Tests.Cli;

/// <summary><c>mural generate --hidiffusion</c>.</summary>
[Trait("Area", "hidiffusion")]
public sealed class GenerateHiDiffusionTests : IDisposable
{
    private const string Fast = "--size 144x136 --steps 4 --seed 3 --precision f32 --device cpu";

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(TinyStableDiffusion.First, "", "auto")]
    [InlineData(TinyStableDiffusion.Second, "--no-raunet", "auto no-raunet")]
    [InlineData(TinyStableDiffusion.First, "--t1 0.5 --t2 0.25 --no-window-attention --earlier-upsampler", "auto T1=0.5 T2=0.25 no-window-attention earlier-upsampler")]
    [InlineData(TinyStableDiffusion.XL, "--aggressive false", "auto aggressive=false")]
    public void EveryFamilyIsPaintedAndRepeated(string model, string settings, string words)
    {
        CommandRun plain = Generate(model, Fast, "plain.png"),
            painted = Generate(model, $"{Fast} {settings} --hidiffusion".Replace("  ", " ", StringComparison.Ordinal), "painted.png");
        Assert.True(plain.ExitCode == ExitCode.Success && painted.ExitCode == ExitCode.Success, plain.Error + painted.Error);
        Assert.NotEqual(Pixels("plain.png"), Pixels("painted.png"));
        Assert.Contains($"HiDiffusion: {words},", PictureReader.Identify(_folder.At("painted.png")).Metadata.Parameters, StringComparison.Ordinal);

        CommandRun again = Generate(model, $"--like {_folder.At("painted.png")} --device cpu", "again.png");
        Assert.True(again.ExitCode == ExitCode.Success, again.Error);
        Assert.Equal(Pixels("painted.png"), Pixels("again.png"));
        CommandRun without = Generate(model, $"--like {_folder.At("painted.png")} --device cpu --hidiffusion=off", "without.png");
        Assert.True(without.ExitCode == ExitCode.Success, without.Error);
        Assert.Equal(Pixels("plain.png"), Pixels("without.png"));
    }

    // The bare option does not take the prompt for its preset, and takes a preset that stands beside it.
    [Fact]
    public void ThePresetIsOptional()
    {
        foreach (string words in (string[])["--hidiffusion fox", "fox --hidiffusion 2048", "--count 1 fox --hidiffusion=1024"])
        {
            CommandRun run = CommandRun.Of(
                ["generate", .. words.Split(' '), "--model", TinyStableDiffusion.At(TinyStableDiffusion.First), .. Fast.Split(' '), "-o", _folder.At("fox.png")]);
            Assert.True(run.ExitCode == ExitCode.Success, run.Error);
            string parameters = PictureReader.Identify(_folder.At("fox.png")).Metadata.Parameters!;
            Assert.StartsWith("fox", parameters, StringComparison.Ordinal);
            Assert.Contains(
                $"HiDiffusion: {(words.Contains("2048", StringComparison.Ordinal) ? "2048" : words.Contains("1024", StringComparison.Ordinal) ? "1024" : "auto")},",
                parameters, StringComparison.Ordinal);
        }
    }

    // Window attention leaves linear attention alone, resampling does not.
    [Fact]
    public void LinearAttentionIsNotSplit()
    {
        string linear = $"{Fast} --linfusion {LinFusionGoldens.Beside("weights/tiny-sd15")}";
        foreach ((string file, string more) in new[]
        {
            ("linear.png", ""), ("windows.png", " --hidiffusion --no-raunet"), ("both.png", " --hidiffusion"), ("resampled.png", " --hidiffusion --no-window-attention")
        })
        {
            CommandRun run = Generate(TinyStableDiffusion.First, linear + more, file);
            Assert.True(run.ExitCode == ExitCode.Success, run.Error);
        }
        Assert.Equal(Pixels("linear.png"), Pixels("windows.png"));
        Assert.Equal(Pixels("both.png"), Pixels("resampled.png"));
        Assert.NotEqual(Pixels("linear.png"), Pixels("both.png"));
    }

    [Theory]
    [InlineData("--t1 0.4", "--t1 is a setting of HiDiffusion; give --hidiffusion too.")]
    [InlineData("--no-window-attention", "--no-window-attention is a setting of HiDiffusion; give --hidiffusion too.")]
    [InlineData("--hidiffusion=4096", "1024 and 2048, not 4096")]
    [InlineData("--hidiffusion=512", "or off, not '512'")]
    [InlineData("--hidiffusion=off --t1 0.4", "--t1 is a setting of HiDiffusion, which --hidiffusion=off leaves out; give one of the two.")]
    public void WrongSettingsAreRefusedInOneSentence(string options, string sentence) =>
        Assert.Contains(sentence, Assert.Single(Generate(TinyStableDiffusion.First, $"{Fast} {options}", "fox.png").Problems), StringComparison.Ordinal);

    // Whoever mistypes a share should not wait for the model.
    [Theory]
    [InlineData("--t1 1.5")]
    [InlineData("--t2 40")]
    public void SharesAreCheckedBeforeTheModelIsLoaded(string option)
    {
        CommandRun run = CommandRun.Generate("nowhere", "fox", $"{Fast} --hidiffusion {option}", _folder.At("fox.png"));
        Assert.Equal(ExitCode.Usage, run.ExitCode);
        Assert.Contains($"{option.Split(' ')[0]} takes a number from 0 to 1, not {option.Split(' ')[1]}", Assert.Single(run.Problems), StringComparison.Ordinal);
    }

    [Fact]
    public void FlagsOfARepeatedPictureAreTakenBack()
    {
        CommandRun plain = Generate(TinyStableDiffusion.First, $"{Fast} --hidiffusion", "plain.png");
        Assert.True(plain.ExitCode == ExitCode.Success, plain.Error);
        foreach (string flag in (string[])["--no-raunet", "--no-window-attention", "--earlier-upsampler"])
        {
            CommandRun flagged = Generate(TinyStableDiffusion.First, $"{Fast} --hidiffusion {flag}", "flagged.png");
            CommandRun cleared = Generate(TinyStableDiffusion.First, $"--like {_folder.At("flagged.png")} --device cpu {flag}=false", "cleared.png");
            Assert.True(flagged.ExitCode == ExitCode.Success && cleared.ExitCode == ExitCode.Success, flagged.Error + cleared.Error);
            Assert.Contains($"HiDiffusion: auto {flag[2..]},", PictureReader.Identify(_folder.At("flagged.png")).Metadata.Parameters, StringComparison.Ordinal);
            Assert.Equal(Pixels("plain.png"), Pixels("cleared.png"));
        }
    }

    [Fact]
    public void APictureOfTheTrainedSizeIsNotedNotResampled()
    {
        CommandRun run = Generate(TinyStableDiffusion.First, "--size 64x64 --steps 2 --seed 3 --precision f32 --device cpu --hidiffusion", "fox.png");
        Assert.True(run.ExitCode == ExitCode.Success, run.Error);
        Assert.Contains("resamples nothing at 64x64", run.Error, StringComparison.Ordinal);
    }

    private byte[] Pixels(string file) => PictureReader.Read(_folder.At(file)).Data;

    private CommandRun Generate(string model, string options, string output) => CommandRun.Generate(TinyStableDiffusion.At(model), "fox", options, _folder.At(output));
}
