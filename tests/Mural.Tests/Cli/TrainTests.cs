using Mural.Cli.CommandLine;
using Mural.Imaging;

namespace Mural.Tests.Cli;

public sealed class TrainTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public TrainTests()
    {
        for (int i = 0; i < 8; i++)
        {
            Picture picture = Picture.Filled(16, 16, new Rgb((byte)(i * 30), 100, 200));
            PictureWriter.Write(_folder.At($"pictures/{(i % 2 == 0 ? "even" : "odd")}/{i}.png"), picture);
        }
        Write("vae.json", """
            {
              "kind": "vae", "run": "run", "steps": 3, "batch": 4, "precision": "float32",
              "data": { "folder": "pictures", "size": 16 },
              "model": { "block_out_channels": [8, 8], "norm_num_groups": 4 }
            }
            """);
    }

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void ATrainingEndsWithAModelThatInspectKnows()
    {
        CommandRun run = CommandRun.Of("train", "vae", _folder.At("vae.json"), "--json");
        Assert.True(run.ExitCode == ExitCode.Success, run.Error);
        Assert.True(run.Json["finished"]!.GetValue<bool>());
        Assert.Equal(3, run.Json["step"]!.GetValue<long>());
        CommandRun result = CommandRun.Of("inspect", run.Json["resultFolder"]!.GetValue<string>(), "--json");
        Assert.Equal("AutoencoderKL", result.Json["family"]!.GetValue<string>());
    }

    [Fact]
    public void AStoppedTrainingIsNoSuccess()
    {
        CommandRun run = CommandRun.Of(new CancellationToken(canceled: true), "train", "vae", _folder.At("vae.json"), "--json");
        Assert.Equal(ExitCode.Cancelled, run.ExitCode);
        Assert.Equal(ExitCode.Success, CommandRun.Of("train", "vae", _folder.At("vae.json")).ExitCode);
    }

    [Fact]
    public void SettingsOfAnotherKindAreRefused()
    {
        CommandRun run = CommandRun.Of("train", "dim", _folder.At("vae.json"));
        Assert.Equal(ExitCode.Problem, run.ExitCode);
        Assert.Contains("mural train vae", Assert.Single(run.Problems), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("missing.json", null)]
    [InlineData("broken.json", "{ \"kind\": ")]
    [InlineData("unknown.json", """{ "kind": "vae", "learning_speed": 3 }""")]
    public void WrongSettingsAreOneSentence(string name, string? content)
    {
        if (content is not null) Write(name, content);
        CommandRun run = CommandRun.Of("train", "vae", _folder.At(name));
        Assert.Equal(ExitCode.Problem, run.ExitCode);
        Assert.Contains(name, Assert.Single(run.Problems), StringComparison.Ordinal);
    }

    [Fact]
    public void APartIsNeeded()
    {
        CommandRun run = CommandRun.Of("train");
        Assert.Equal(ExitCode.Usage, run.ExitCode);
        Assert.Contains("mural train needs a command: dim, unet, vae", Assert.Single(run.Problems), StringComparison.Ordinal);
    }

    private void Write(string name, string content) => File.WriteAllText(_folder.At(name), content);
}
