using Mural.Autoencoders;
using Mural.Checkpoints;
using Mural.Cli.CommandLine;
using Mural.Tests.Goldens;

namespace Mural.Tests.Cli;

public class ConvertTests
{
    private static string Model(string name) => GoldenCase.Model(name);

    [Fact]
    public void ADimGoesToTorchAndBackUnchanged()
    {
        using var folder = new TemporaryFolder();
        string original = Path.Combine(Model("tiny-dim-latent"), "nnet_ema.safetensors");
        Assert.Equal(ExitCode.Success, CommandRun.Of("convert", original, folder.At("nnet_ema.pth")).ExitCode);
        Assert.Equal(ExitCode.Success, CommandRun.Of("convert", folder.At("nnet_ema.pth"), folder.At("again.safetensors")).ExitCode);
        AssertEqual(original, folder.At("nnet_ema.pth"), null);
        AssertEqual(original, folder.At("again.safetensors"), null);
        Assert.DoesNotContain(Directory.GetFiles(folder.Path), file => file.EndsWith(".tmp", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("f32", ScalarType.Float32, ".safetensors")]
    [InlineData("bf16", ScalarType.BFloat16, ".pth")]
    [InlineData("f16", ScalarType.Float16, ".pth")]
    public void TheNumberFormatIsTheOneAskedFor(string precision, ScalarType type, string extension)
    {
        using var folder = new TemporaryFolder();
        string original = Path.Combine(Model("tiny-dim-pixel"), "nnet_ema.safetensors");
        CommandRun run = CommandRun.Of("convert", original, folder.At("model" + extension), "--precision", precision, "--json");
        Assert.Equal(ExitCode.Success, run.ExitCode);
        Assert.Equal(new FileInfo(folder.At("model" + extension)).FullName, run.Json["path"]!.GetValue<string>());
        AssertEqual(original, folder.At("model" + extension), type);
    }

    [Fact]
    public void AnAutoencoderFolderStaysOne()
    {
        using var folder = new TemporaryFolder();
        string original = Path.Combine(Model("tiny-sd15"), "vae");
        Assert.Equal(ExitCode.Success, CommandRun.Of("convert", original, folder.At("vae"), "--precision", "f32").ExitCode);
        using AutoencoderKL converted = AutoencoderKL.FromFolder(folder.At("vae"));
        Assert.Equal(AutoencoderConfig.Read(original).ToJson(), converted.Config.ToJson());
    }

    [Fact]
    public void AnExistingOutputIsKeptUnlessForced()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder.At("mine.pth"), "mine");
        string original = Path.Combine(Model("tiny-dim-latent"), "nnet_ema.safetensors");
        CommandRun run = CommandRun.Of("convert", original, folder.At("mine.pth"));
        Assert.Equal(ExitCode.Problem, run.ExitCode);
        Assert.Contains("--force", Assert.Single(run.Problems), StringComparison.Ordinal);
        Assert.Equal("mine", File.ReadAllText(folder.At("mine.pth")));
        Assert.Equal(ExitCode.Success, CommandRun.Of("convert", original, folder.At("mine.pth"), "--force").ExitCode);
    }

    [Theory]
    [InlineData("out.gguf", ".gguf")]
    [InlineData("folder", "no extension")]
    public void AnImpossibleOutputIsOneSentence(string output, string reason)
    {
        using var folder = new TemporaryFolder();
        CommandRun run = CommandRun.Of("convert", Path.Combine(Model("tiny-dim-latent"), "nnet_ema.safetensors"), folder.At(output));
        Assert.Equal(ExitCode.Problem, run.ExitCode);
        Assert.Contains(reason, Assert.Single(run.Problems), StringComparison.Ordinal);
        Assert.Empty(Directory.GetFileSystemEntries(folder.Path));
    }

    [Fact]
    public void ACancelledConversionLeavesNothing()
    {
        using var folder = new TemporaryFolder();
        string original = Path.Combine(Model("tiny-dim-latent"), "nnet_ema.safetensors");
        CommandRun run = CommandRun.Of(new CancellationToken(canceled: true), "convert", original, folder.At("out.pth"));
        Assert.Equal(ExitCode.Cancelled, run.ExitCode);
        Assert.Empty(Directory.GetFileSystemEntries(folder.Path));
    }

    private static void AssertEqual(string original, string converted, ScalarType? type)
    {
        using ITensorSource want = Checkpoint.Open(original), got = Checkpoint.Open(converted);
        Assert.Equal(want.Tensors.Keys.Order(), got.Tensors.Keys.Order());
        using var scope = NewDisposeScope();
        foreach (TensorEntry entry in want.Tensors.Values)
        {
            Tensor expected = want.Read(entry.Name, type), actual = got.Read(entry.Name);
            Assert.Equal(expected.dtype, actual.dtype);
            Assert.Equal(expected.shape, actual.shape);
            Assert.True(expected.equal(actual).all().item<bool>(), entry.Name);
        }
    }
}
