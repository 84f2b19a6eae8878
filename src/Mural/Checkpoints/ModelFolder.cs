using static TorchSharp.torch;

namespace Mural.Checkpoints;

/// <summary>A folder as diffusers keeps one network in: <c>config.json</c> beside its weights in one file or in shards (spec 1.1).</summary>
internal static class ModelFolder
{
    /// <summary>The file that says what a model of several parts is made of.</summary>
    internal const string IndexName = "model_index.json";

    internal const string ConfigName = "config.json", WeightsName = WeightsStem + ".safetensors";

    private const string WeightsStem = "diffusion_pytorch_model";

    // What exporters write beside or instead of the plain file, in the order of preference where nobody asked for one.
    private static readonly string[] KnownVariants = ["fp16", "bf16", "fp32", "ema", "non_ema"];

    /// <summary>Opens the weights of a folder: those of the variant where there are any, else the plain ones, else those of a variant that many exporters write.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="variant">What the exporter put into the file's name, such as <c>fp16</c>, or null.</param>
    /// <param name="stem">How the file's name begins: transformers' models have another.</param>
    /// <param name="legacyStem">How it began once, which is looked for where there is nothing of today's name; null for no other way.</param>
    /// <exception cref="MuralException">There are none, or they are malformed.</exception>
    internal static ITensorSource OpenWeights(string folder, string? variant = null, string stem = WeightsStem, string? legacyStem = null)
    {
        IEnumerable<string?> variants = [.. variant is null ? [] : new[] { variant }, null, .. KnownVariants];
        string? Find(string begun) => variants.SelectMany(known => Names(begun, known)).Select(name => Path.Combine(folder, name)).FirstOrDefault(File.Exists);
        string? path = Find(stem) ?? (legacyStem is null ? null : Find(legacyStem));
        return path is not null ? Checkpoint.Open(path)
            : throw new MuralException($"There is no file {Path.Combine(folder, stem + ".safetensors")}; give the folder of a model that holds its weights.");
    }

    /// <summary>Fills a new module with the folder's weights and returns it; it is disposed of where they do not fit.</summary>
    internal static T Loaded<T>(T module, string folder, Action<ITensorSource> load, string? variant = null) where T : nn.Module => Loaded(module, () =>
    {
        using ITensorSource weights = OpenWeights(folder, variant);
        load(weights);
    });

    /// <summary>Fills a new module and returns it; it is disposed of where that fails.</summary>
    internal static T Loaded<T>(T module, Action load) where T : nn.Module
    {
        try
        {
            load();
            return module;
        }
        catch
        {
            module.Dispose();
            throw;
        }
    }

    /// <summary>Writes a module's weights and, after them, its config.</summary>
    /// <param name="module">The module.</param>
    /// <param name="json">Its config.</param>
    /// <param name="folder">The folder, created when missing.</param>
    /// <param name="type">The type to write the weights in, or null for their own.</param>
    /// <param name="stem">How the weights' file is called, without its extension.</param>
    /// <param name="maxShardBytes">The most bytes of weights in a file, beyond which there are several with an index; null for one file.</param>
    /// <param name="cancellation">Stops the writing; no half-written file stays.</param>
    internal static void Save(
        nn.Module module, string json, string folder, ScalarType? type, string stem = WeightsStem, long? maxShardBytes = null, CancellationToken cancellation = default)
    {
        ShardedWriter.Save(Path.Combine(folder, stem + ".safetensors"), ModuleWeights.Places(module), maxShardBytes ?? long.MaxValue, type: type, cancellationToken: cancellation);
        AtomicFile.WriteText(Path.Combine(folder, ConfigName), json);
    }

    /// <summary>Weights of linears that were saved as 1x1 convolutions, or the other way round: [C, D, 1, 1] for [C, D].</summary>
    internal static Func<Tensor, Tensor>? SqueezeConvolution(string name, long[] stored, long[] wanted)
    {
        bool fits = wanted is [_, _] && stored.AsSpan().SequenceEqual([.. wanted, 1, 1]) || stored is [_, _] && wanted.AsSpan().SequenceEqual([.. stored, 1, 1]);
        return fits ? tensor => tensor.reshape(wanted) : null;
    }

    // Indexes have the variant before their extension today and had it before "index" once.
    private static string[] Names(string stem, string? variant) => variant is null
        ? [$"{stem}.safetensors", $"{stem}{ShardIndex.Suffix}", $"{stem}.bin", $"{stem}{ShardIndex.TorchSuffix}"]
        :
        [
            $"{stem}.{variant}.safetensors", $"{stem}.safetensors.index.{variant}.json", $"{stem}.safetensors.{variant}.index.json",
            $"{stem}.{variant}.bin", $"{stem}.bin.index.{variant}.json", $"{stem}.bin.{variant}.index.json",
        ];
}
