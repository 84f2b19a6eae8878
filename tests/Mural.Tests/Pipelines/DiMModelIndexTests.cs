using Mural.Pipelines;

namespace Mural.Tests.Pipelines;

public sealed class DiMModelIndexTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("mural-index-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void FileNamesAndValuesAreRead()
    {
        Write("""
            {"_class_name": "DiMPipeline", "name": "emoji", "dim": "denoiser", "autoencoder": "vae", "vocabulary": "words.txt",
             "default_words": ["3d"], "words_needing_default": ["3d", "flat"], "steps": 20, "guidance": 2.5, "licence": "MIT"}
            """);
        DiMModelIndex index = DiMModelIndex.Load(_folder);
        Assert.Equal(("emoji", "denoiser", "vae", "words.txt"), (index.Name, index.Denoiser, index.Autoencoder, index.Vocabulary));
        Assert.Equal((20, 2.5, null), (index.Steps, index.Guidance, index.UpscaleGuidance));
        Assert.Equal(["3d"], index.DefaultWords);
        Assert.Equal(["3d", "flat"], index.WordsNeedingDefault);
    }

    [Fact]
    public void WhatIsWrittenIsRead()
    {
        var index = new DiMModelIndex { Name = "x", Autoencoder = "vae", DefaultWords = ["a"], Steps = 3, UpscaleGuidance = 4, UpscaleShare = 0.5 };
        Write(index.ToJson());
        Assert.Equal(index.ToJson(), DiMModelIndex.Load(_folder).ToJson());
    }

    [Fact]
    public void FolderNamesAModelWithoutName()
    {
        Write("{}");
        Assert.Equal(Path.GetFileName(_folder), DiMModelIndex.Load(_folder + Path.DirectorySeparatorChar).Name);
    }

    [Theory]
    [InlineData("no json")]
    [InlineData("null")]
    [InlineData("[]")]
    [InlineData("""{"steps": "many"}""")]
    [InlineData("""{"steps": 0}""")]
    [InlineData("""{"_class_name": "StableDiffusionPipeline"}""")]
    [InlineData("""{"dim": "../elsewhere"}""")]
    [InlineData("""{"autoencoder": "/elsewhere"}""")]
    [InlineData("""{"vocabulary": "a/../../b"}""")]
    [InlineData("""{"dim": null}""")]
    [InlineData("""{"default_words": null}""")]
    public void WrongFilesAreExplained(string json)
    {
        Write(json);
        Assert.Throws<MuralException>(() => DiMModelIndex.Load(_folder));
    }

    [Fact]
    public void FolderWithoutIndexIsExplained()
    {
        MuralException problem = Assert.Throws<MuralException>(() => DiMModelIndex.Load(_folder));
        Assert.Contains("model_index.json", problem.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task PartsThatDoNotFitAreExplained()
    {
        foreach (Func<DiMModelIndex, DiMModelIndex> change in new Func<DiMModelIndex, DiMModelIndex>[]
        {
            index => index with { Vocabulary = null },
            index => index with { Vocabulary = "missing.txt" },
            index => index with { DefaultWords = ["unknown"] },
            index => index with { Denoiser = "missing" },
            index => index with { Autoencoder = "missing" },
        })
        {
            using var tiny = new TinyDiM(words: true, change: change);
            await Assert.ThrowsAsync<MuralException>(() => tiny.Load());
        }
        using var shortened = new TinyDiM();
        File.WriteAllText(Path.Combine(shortened.Folder, "vocabulary.txt"), "one\ntwo\n3d\n");
        await Assert.ThrowsAsync<MuralException>(() => shortened.Load());
    }

    private void Write(string json) => File.WriteAllText(Path.Combine(_folder, "model_index.json"), json);
}
