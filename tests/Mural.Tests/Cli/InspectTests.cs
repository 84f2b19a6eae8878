using Mural.Cli.CommandLine;
using Mural.Imaging;
using Mural.Tests.Goldens;

namespace Mural.Tests.Cli;

public class InspectTests
{
    private static string Model(string name) => Path.Combine(GoldenCase.Root, "models", name);

    [Fact]
    public void ADimIsRecognisedByItsShapes()
    {
        CommandRun run = CommandRun.Of("inspect", Model("tiny-dim-latent"), "--json");
        Assert.Equal(ExitCode.Success, run.ExitCode);
        Assert.Equal("checkpoint", run.Json["kind"]!.GetValue<string>());
        Assert.StartsWith("DiM: width ", run.Json["family"]!.GetValue<string>(), StringComparison.Ordinal);
        Assert.True(run.Json["parameters"]!.GetValue<long>() > 1000);
        Assert.Contains(run.Json["tensors"]!.AsArray(), tensor => tensor!["name"]!.GetValue<string>() == "transformer_blocks.0.attn1.A_log");
    }

    [Theory]
    [InlineData("tiny-sd15/vae", "AutoencoderKL")]
    [InlineData("tiny-taesd", "AutoencoderTiny")]
    public void OtherFamiliesAreRecognisedByTheirNames(string folder, string family)
    {
        CommandRun run = CommandRun.Of("inspect", Model(folder));
        Assert.Equal(ExitCode.Success, run.ExitCode);
        Assert.Contains($"family      {family}", run.Out, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("tiny-sd15", "LinFusion: 16 attentions of 32 to 64 channels, mixer linfusion")]
    [InlineData("tiny-sdxl", "LinFusion: ")]
    public void ALinFusionCheckpointIsRecognised(string name, string family)
    {
        CommandRun run = CommandRun.Of("inspect", Path.Combine(GoldenCase.Root, "linfusion", "weights", name));
        Assert.True(run.ExitCode == ExitCode.Success, run.Error);
        Assert.Contains($"family      {family}", run.Out, StringComparison.Ordinal);
    }

    [Fact]
    public void APictureTellsHowItWasMade()
    {
        using var folder = new TemporaryFolder();
        var parameters = new GenerationParameters { Prompt = "red heart", Steps = 20, Seed = 7, Sampler = "DPM++" };
        PictureWriter.Write(folder.At("heart.png"), new Picture(8, 4, 3), null, PictureMetadata.Of(parameters, """{"seed":7}"""));
        CommandRun run = CommandRun.Of("inspect", folder.At("heart.png"), "--json");
        Assert.Equal(ExitCode.Success, run.ExitCode);
        Assert.Equal((8, 4), (run.Json["width"]!.GetValue<int>(), run.Json["height"]!.GetValue<int>()));
        Assert.StartsWith("red heart", run.Json["parameters"]!.GetValue<string>(), StringComparison.Ordinal);
        Assert.Equal(7, run.Json["mural"]!["seed"]!.GetValue<int>());
    }

    [Theory]
    [InlineData("missing.safetensors", null)]
    [InlineData("empty.safetensors", "")]
    [InlineData("text.pth", "not a checkpoint at all")]
    [InlineData("broken.png", "\u0089PNG\r\n\u001a\nrest")]
    public void AFileThatIsNeitherIsOneSentence(string name, string? content)
    {
        using var folder = new TemporaryFolder();
        if (content is not null) File.WriteAllBytes(folder.At(name), [.. content.Select(c => (byte)c)]);
        CommandRun run = CommandRun.Of("inspect", folder.At(name));
        Assert.Equal(ExitCode.Problem, run.ExitCode);
        Assert.Contains(name, Assert.Single(run.Problems), StringComparison.Ordinal);
    }
}
