using System.Text.RegularExpressions;
using Mural.Checkpoints.SingleFile;
using Mural.UNet;

namespace Mural.Checkpoints.StableDiffusion;

/// <summary>
/// A ControlNet alone in a file, in the original layout or under diffusers' names, or in one file with the whole model that it was trained with. Its shapes tell the
/// architecture; what they do not show is that of the UNet which it copies.
/// </summary>
internal static partial class ControlNetFile
{
    /// <summary>Endings of such files.</summary>
    internal static readonly string[] Extensions = [".safetensors", ".pth", ".pt", ".ckpt", ".bin"];

    // Relatives in files of the same kind, by a part of a name that only they have.
    private static readonly (string Mark, string Kind)[] Foreign =
    [
        ("lora_controlnet", "a Control-LoRA"), ("lllite_", "a ControlNet-LLLite"), ("task_embedding", "a ControlNet-Union"), ("adapter.body.", "a T2I-Adapter"),
    ];

    // A file that holds what a ControlNet differs from its UNet by has a tensor of this name.
    private const string Difference = "difference";

    /// <summary>Arranges a file's tensors under diffusers' names. The file stays open for as long as they are used.</summary>
    /// <exception cref="MuralException">The file holds no ControlNet, or one of an unknown kind.</exception>
    internal static ComponentSource Tensors(ITensorSource file)
    {
        IReadOnlyDictionary<string, TensorEntry> tensors = file.Tensors;
        foreach ((string mark, string kind) in Foreign)
            if (tensors.Keys.Any(name => name.Contains(mark, StringComparison.Ordinal)))
                throw new MuralException($"{file.Path} holds {kind}, which is not supported; give a ControlNet.");
        if (tensors.Keys.Any(OriginalAdapter().IsMatch)) throw new MuralException($"{file.Path} holds a T2I-Adapter, which is not supported; give a ControlNet.");
        if (tensors.ContainsKey(Difference) || tensors.ContainsKey(ControlNetNames.Prefix + Difference))
            throw new MuralException($"{file.Path} holds only what a ControlNet differs from its model by, which is not supported; give the file of the whole ControlNet.");
        string? prefix = new[] { ControlNetNames.Prefix, "" }
            .FirstOrDefault(prefix => tensors.Keys.Any(name => name.StartsWith(prefix + ControlNetNames.Hint, StringComparison.Ordinal)));
        if (prefix is null && !tensors.Keys.Any(name => name.StartsWith("controlnet_cond_embedding.", StringComparison.Ordinal)))
            throw new MuralException($"{file.Path} holds no ControlNet; give the file of one, in the original layout or in that of diffusers.");
        return new ComponentSource(file, nameof(ControlNetModel), prefix is null ? OfDiffusers(tensors.Keys) : OfOriginal(tensors.Keys, prefix));
    }

    /// <summary>The architecture.</summary>
    /// <param name="tensors">What <see cref="Tensors"/> gives.</param>
    /// <param name="unet">The UNet that it copies.</param>
    /// <exception cref="MuralException">A tensor that every ControlNet has is missing.</exception>
    internal static ControlNetConfig Config(ComponentSource tensors, UNetConfig unet)
    {
        if (ShapeConfigs.LacksMiddleAttention(tensors))
            throw new MuralException(
                $"{tensors.Path} holds a ControlNet that does not attend in its middle, as the small ones for Stable Diffusion XL, which is not supported; give one of full size.");
        return ShapeConfigs.ControlNet(tensors, unet) with { GlobalPooling = Pools(tensors.Path) };
    }

    private static IEnumerable<(string, string, TensorTransform)> OfDiffusers(IEnumerable<string> names) =>
        names.Select(name => (UNetKeys.Current(name), name, TensorTransform.Same));

    private static IEnumerable<(string, string, TensorTransform)> OfOriginal(IEnumerable<string> names, string prefix)
    {
        string[] own = [.. names.Where(name => name.StartsWith(prefix, StringComparison.Ordinal)).Select(name => name[prefix.Length..])];
        var layout = new ControlNetNames(own);
        foreach (string name in own)
            if (layout.ToDiffusers(name) is { } today) yield return (today, prefix + name, TensorTransform.Same);
    }

    // No tensor tells it; the original files of such networks come with their settings beside them. Without these, other programs too go by the name that the one such network
    // was published under.
    private static bool Pools(string path)
    {
        string settings = Path.ChangeExtension(path, ".yaml");
        return File.Exists(settings) ? Pooling().IsMatch(TextFile.Read(settings, path)) : PoolingName().IsMatch(Path.GetFileNameWithoutExtension(path));
    }

    // Full ones have block1 in every part, light ones in_conv and a body of their own.
    [GeneratedRegex(@"^body\.\d+\.(block1|in_conv|body)\.")]
    private static partial Regex OriginalAdapter();

    [GeneratedRegex(@"^\s*global_average_pooling\s*:\s*true\s*$", RegexOptions.IgnoreCase | RegexOptions.Multiline)]
    private static partial Regex Pooling();

    [GeneratedRegex(@"_shuffle(_fp16)?$", RegexOptions.IgnoreCase)]
    private static partial Regex PoolingName();
}
