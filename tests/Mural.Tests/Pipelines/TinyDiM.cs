using Mural.DiM;
using Mural.Pipelines;
using Mural.Runtime;
using Mural.Tests.Goldens;

namespace Mural.Tests.Pipelines;

/// <summary>A model folder put together from the goldens' tiny parts, with words for its ten classes.</summary>
public sealed class TinyDiM : IDisposable
{
    private static readonly string[] Words = ["red", "green", "heart", "star", "cat", "dog", "tree", "house", "3d", "flat"];

    public string Folder { get; } = Directory.CreateTempSubdirectory("mural-tiny-").FullName;

    public TinyDiM() : this(words: true) { }

    internal TinyDiM(bool words, bool pixels = false, Func<DiMModelIndex, DiMModelIndex>? change = null)
    {
        string source = GoldenCase.Model(pixels ? "tiny-dim-pixel" : "tiny-dim-latent");
        string dim = Directory.CreateDirectory(Path.Combine(Folder, "dim")).FullName, vae = Directory.CreateDirectory(Path.Combine(Folder, "vae")).FullName;
        DiMConfig config = DiMConfig.Load(Path.Combine(source, "config.json"));
        File.WriteAllText(Path.Combine(dim, "config.json"), (words ? config with { Conditioning = Conditioning.Words } : config).ToJson());
        File.Copy(Path.Combine(source, "nnet_ema.safetensors"), Path.Combine(dim, "model.safetensors"));
        foreach (string file in Directory.GetFiles(Path.Combine(GoldenCase.Model("tiny-sd15"), "vae"))) File.Copy(file, Path.Combine(vae, Path.GetFileName(file)));
        File.WriteAllLines(Path.Combine(Folder, "vocabulary.txt"), Words);
        var index = new DiMModelIndex
        {
            Name = "tiny",
            Autoencoder = pixels ? null : "vae",
            Vocabulary = words ? "vocabulary.txt" : null,
            DefaultWords = words ? ["3d"] : [],
            WordsNeedingDefault = words ? ["3d", "flat"] : [],
            Steps = 5,
            Guidance = 1.5,
        };
        File.WriteAllText(Path.Combine(Folder, "model_index.json"), (change is null ? index : change(index)).ToJson());
    }

    /// <summary>The pipeline on the CPU, in float32 unless the options say otherwise.</summary>
    public Task<DiMPipeline> Load(DiMPipelineOptions? options = null)
    {
        options ??= new DiMPipelineOptions();
        return DiMPipeline.LoadAsync(Folder, options with { Runtime = options.Runtime with { Device = "cpu", Precision = options.Runtime.Precision ?? Precision.Float32 } });
    }

    public void Dispose() => Directory.Delete(Folder, recursive: true);
}
