using Mural.Cli.CommandLine;
using Mural.Imaging;
using Mural.Tests.LinFusion;
using Mural.Tests.Pipelines;

namespace Mural.Tests.Cli;

/// <summary><c>mural generate --linfusion</c>.</summary>
public sealed class GenerateLinFusionTests : IDisposable
{
    private const string Fast = "--size 64x64 --steps 4 --seed 3 --precision f32 --device cpu";

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(TinyStableDiffusion.First)]
    [InlineData(TinyStableDiffusion.Second)]
    [InlineData(TinyStableDiffusion.XL)]
    public void EveryFamilyIsPaintedAndRepeated(string model)
    {
        string option = $"--linfusion {LinFusionGoldens.Beside($"weights/{model}")}";
        CommandRun plain = Generate(model, $"{Fast}", "plain.png"), linear = Generate(model, $"{Fast} {option}", "linear.png");
        Assert.True(plain.ExitCode == ExitCode.Success && linear.ExitCode == ExitCode.Success, plain.Error + linear.Error);
        byte[] painted = PictureReader.Read(_folder.At("linear.png")).Data;
        Assert.NotEqual(PictureReader.Read(_folder.At("plain.png")).Data, painted);
        Assert.Contains($"LinFusion: {model}", PictureReader.Identify(_folder.At("linear.png")).Metadata.Parameters, StringComparison.Ordinal);

        CommandRun again = Generate(model, $"--like {_folder.At("linear.png")} --device cpu {option}", "again.png");
        Assert.True(again.ExitCode == ExitCode.Success, again.Error);
        Assert.Equal(painted, PictureReader.Read(_folder.At("again.png")).Data);
        CommandRun without = Generate(model, $"--like {_folder.At("linear.png")} --device cpu", "again.png");
        Assert.Contains("give that again with --linfusion", without.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void InpaintingAndLorasGoWithIt()
    {
        PictureWriter.Write(_folder.At("start.png"), TinyStableDiffusion.Gradient(64, 64));
        PictureWriter.Write(_folder.At("mask.png"), TinyStableDiffusion.HalfMask(64, 64));
        string option = $"{Fast} --linfusion {LinFusionGoldens.Beside("weights/tiny-sd15")}", lora = LinFusionGoldens.Beside("weights/lora-tiny-sd15.safetensors");
        string painting = $"--init-image {_folder.At("start.png")} --mask {_folder.At("mask.png")}";
        var pictures = new HashSet<string>();
        foreach (string more in new[] { "", "--sampler dpmpp-2m --schedule karras", $"--lora {lora}:0.7", painting, $"{painting} --lora {lora}:0.7" })
        {
            CommandRun run = Generate(TinyStableDiffusion.First, $"{option} {more}".Trim(), "fox.png");
            Assert.True(run.ExitCode == ExitCode.Success, run.Error);
            Assert.True(pictures.Add(Convert.ToHexString(PictureReader.Read(_folder.At("fox.png")).Data)), more);
        }
    }

    [Fact]
    public void WrongWeightsAreRefusedInOneSentence()
    {
        Assert.Contains("family", Assert.Single(Generate(
            TinyStableDiffusion.First, $"{Fast} --linfusion {LinFusionGoldens.Beside("weights/tiny-sdxl")}", "fox.png").Problems), StringComparison.Ordinal);
        Assert.Contains("config.json", Assert.Single(Generate(TinyStableDiffusion.First, $"{Fast} --linfusion {_folder.Path}", "fox.png").Problems), StringComparison.Ordinal);
    }

    private CommandRun Generate(string model, string options, string output) => CommandRun.Generate(TinyStableDiffusion.At(model), "fox", options, _folder.At(output));
}
