using Mural.Checkpoints.StableDiffusion;
using Mural.Cli.CommandLine;
using Mural.Cli.Painting;
using Mural.Tests.Goldens;
using Mural.Tests.Pipelines;

namespace Mural.Tests.Cli;

/// <summary>The models in the folders that <see cref="ModelCatalog.Variable"/> names.</summary>
public sealed class ModelCatalogTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly string? _before = Environment.GetEnvironmentVariable(ModelCatalog.Variable);

    public ModelCatalogTests() => Environment.SetEnvironmentVariable(ModelCatalog.Variable, _folder.Path);

    public void Dispose()
    {
        Environment.SetEnvironmentVariable(ModelCatalog.Variable, _before);
        _folder.Dispose();
    }

    [Fact]
    public void ARepositoryInTheHubsCacheIsTheCommitOfItsBranch()
    {
        string repository = _folder.At("models--org--fox");
        foreach (string commit in (string[])["aaa", "bbb"])
        {
            Directory.CreateDirectory(Path.Combine(repository, "snapshots", commit));
            File.WriteAllText(Path.Combine(repository, "snapshots", commit, "model_index.json"), "{}");
        }
        Assert.Contains("is a folder without model_index.json", Assert.Throws<MuralException>(() => ModelCatalog.Find(repository)).Message, StringComparison.Ordinal);
        Directory.CreateDirectory(Path.Combine(repository, "refs"));
        File.WriteAllText(Path.Combine(repository, "refs", "main"), "bbb");
        Assert.Equal(Path.Combine(repository, "snapshots", "bbb"), ModelCatalog.Find(repository).Path);
        Directory.Delete(Path.Combine(repository, "snapshots", "bbb"), recursive: true);
        Assert.Equal(Path.Combine(repository, "snapshots", "aaa"), ModelCatalog.Find(repository).Path);
    }

    [Fact]
    public void AFolderOfFilesNamesThem()
    {
        Directory.CreateDirectory(_folder.At("files"));
        foreach (string file in (string[])["b.ckpt", "a.safetensors", "readme.md"]) File.WriteAllText(_folder.At("files/" + file), "");
        Assert.Contains("or a file in it (a.safetensors, b.ckpt).", Assert.Throws<MuralException>(() => ModelCatalog.Find(_folder.At("files"))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void AFileIsAModelOfItsName()
    {
        string model = TinyStableDiffusion.At(TinyStableDiffusion.First);
        Directory.CreateDirectory(_folder.At("below/further"));
        Directory.CreateDirectory(_folder.At("whole"));
        using (StableDiffusionCheckpoint checkpoint = StableDiffusionCheckpoint.Open(model)) StableDiffusionWriter.SaveFile(checkpoint, _folder.At("fox-v1.5.safetensors"));
        foreach (string copy in (string[])["below/wolf.safetensors", "below/further/too-deep.safetensors", "whole/again.safetensors"])
            File.Copy(_folder.At("fox-v1.5.safetensors"), _folder.At(copy));
        File.Copy(Path.Combine(model, "model_index.json"), _folder.At("whole/model_index.json"));
        File.WriteAllText(_folder.At("below/old.ckpt"), "whatever it holds");
        // Others of the same kind.
        File.Copy(GoldenCase.Adapter("kohya-sd15.safetensors"), _folder.At("style.safetensors"));
        File.Copy(Path.Combine(model, "vae", "diffusion_pytorch_model.safetensors"), _folder.At("vae.safetensors"));
        File.WriteAllText(_folder.At("text.safetensors"), "text");
        File.WriteAllText(_folder.At("empty.safetensors"), "");

        Assert.Equal(["whole", "fox-v1.5", "old", "wolf"], ModelCatalog.All().Where(found => !found.BuiltIn).Select(found => found.Name));
        Assert.Equal(_folder.At("fox-v1.5.safetensors"), ModelCatalog.Find("FOX-v1.5").Path);
        Assert.Equal(_folder.At("below/wolf.safetensors"), ModelCatalog.Find("wolf").Path);
        Assert.False(ModelCatalog.Find("wolf").IsDiM());
        Assert.Contains("There is no model style", Assert.Throws<MuralException>(() => ModelCatalog.Find("style")).Message, StringComparison.Ordinal);

        CommandRun run = CommandRun.Of("models", "--json");
        Assert.True(run.ExitCode == ExitCode.Success, run.Error);
        var fox = run.Json["models"]!.AsArray().Single(line => line!["name"]!.GetValue<string>() == "fox-v1.5")!;
        Assert.Equal("Stable Diffusion 1", fox["kind"]!.GetValue<string>());
        Assert.Equal(new FileInfo(_folder.At("fox-v1.5.safetensors")).Length, fox["bytes"]!.GetValue<long>());
        Assert.NotNull(fox["width"]);
        Assert.Contains(run.Json["models"]!.AsArray(), line => line!["name"]!.GetValue<string>() == "old" && line["problem"] is not null);
    }
}
