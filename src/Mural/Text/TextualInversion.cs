using Mural.Checkpoints;
using static TorchSharp.torch;

namespace Mural.Text;

/// <summary>
/// A word of its own for a text encoder: vectors that were learned in place of token embeddings (spec 7.4). For SDXL there is a set for each encoder.
/// </summary>
internal sealed class TextualInversion : IDisposable
{
    private const string Kohya = "emb_params", WebUi = "string_to_param.";

    // What SDXL's encoders are called in files for both: by A1111, ComfyUI and kohya, and by diffusers' trainers.
    private static readonly string[] Sdxl = ["clip_l", "clip_g"], Numbered = ["text_encoders_0", "text_encoders_1"];

    // Of the token embeddings of CLIP's text encoders that models of Stable Diffusion have.
    private static readonly long[] Widths = [768, 1024, 1280];

    private TextualInversion(string path, string word, IReadOnlyList<Tensor> vectors)
    {
        Path = path;
        Word = word;
        Vectors = vectors;
    }

    internal string Path { get; }

    /// <summary>What stands for it in a prompt.</summary>
    internal string Word { get; }

    /// <summary>The sets of vectors, one for each encoder. Shape of each: <c>[n, D]</c>, float32.</summary>
    internal IReadOnlyList<Tensor> Vectors { get; }

    /// <summary>Reads a file of diffusers, A1111, kohya or, for SDXL, of two encoders.</summary>
    /// <param name="path">A safetensors file or one of torch.save.</param>
    /// <param name="word">What shall stand for it, or null for the word that the file names, or else for the file's name.</param>
    /// <exception cref="MuralException">The file holds something else.</exception>
    internal static TextualInversion Read(string path, string? word = null)
    {
        using ITensorSource source = Checkpoint.Open(path);
        string[] sets = Sets([.. source.Tensors.Keys]);
        if (sets.Length == 0 || !sets.All(name => IsSet(source.Tensors[name])))
            throw new MuralException($"{path} is no textual inversion: it holds {source.Tensors.Count} tensors, where vectors under emb_params, string_to_param, "
                + $"clip_l and clip_g or a word's own name were expected; name an embedding's file.");
        bool namedByFile = IsOfEncoder(sets[0]) || IsUnnamed(sets[0]);
        return new TextualInversion(path, word ?? (namedByFile ? System.IO.Path.GetFileNameWithoutExtension(path) : sets[0]), [.. sets.Select(name => Read(source, name))]);
    }

    /// <summary>One line about a checkpoint that holds a textual inversion, or null for another.</summary>
    internal static string? Describe(ITensorSource source)
    {
        string[] sets = Sets([.. source.Tensors.Keys]);
        if (sets.Length == 0 || !sets.All(name => IsSet(source.Tensors[name]))) return null;
        long[] widths = [.. sets.Select(name => source.Tensors[name].Shape[^1])];
        // One tensor of any name may be anything, such as a layer's weight.
        bool named = IsOfEncoder(sets[0]) || IsUnnamed(sets[0]);
        if (!named && (!Widths.Contains(widths[0]) || sets[0].Contains('.'))) return null;
        long count = source.Tensors[sets[0]].Shape is [var vectors, _] ? vectors : 1;
        return $"textual inversion: {count} {(count == 1 ? "vector" : "vectors")} of {string.Join(" and ", widths)} channels";
    }

    public void Dispose()
    {
        foreach (Tensor vectors in Vectors) vectors.Dispose();
    }

    private static string[] Sets(string[] names)
    {
        foreach (string[] encoders in new[] { Sdxl, Numbered })
        {
            string[] sets = [.. encoders.Where(names.Contains)];
            if (sets.Length > 0) return sets;
        }
        string[] unnamed = [.. names.Where(IsUnnamed)];
        if (unnamed.Length > 0) return unnamed.Length == 1 ? unnamed : [];
        // diffusers names the one tensor after its word.
        return names.Length == 1 ? names : [];
    }

    private static bool IsOfEncoder(string tensor) => Sdxl.Contains(tensor) || Numbered.Contains(tensor);

    private static bool IsUnnamed(string tensor) => tensor == Kohya || tensor.StartsWith(WebUi, StringComparison.Ordinal);

    private static bool IsSet(TensorEntry entry) =>
        (entry.Shape is [> 0] or [> 0, > 0])
        && entry.Type is ScalarType.Float16 or ScalarType.BFloat16 or ScalarType.Float32 or ScalarType.Float64;

    private static Tensor Read(ITensorSource source, string name)
    {
        using var scope = NewDisposeScope();
        Tensor vectors = source.Read(name, ScalarType.Float32);
        if (vectors.dim() == 1) vectors = vectors.unsqueeze(0);
        if (!vectors.isfinite().all().item<bool>())
            throw new MuralException($"{source.Path} has vectors that are not finite numbers; it is damaged, so take it from its origin again.");
        return vectors.MoveToOuterDisposeScope();
    }
}
