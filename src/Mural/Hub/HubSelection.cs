using System.Text.Json;
using Mural.Checkpoints;

namespace Mural.Hub;

/// <summary>Chooses the files that a model needs: of several formats and variants of the same weights only one (spec stable-diffusion.md 1.1).</summary>
internal static class HubSelection
{
    internal const string Index = ModelFolder.IndexName;

    private const string Safetensors = ".safetensors";

    // Parts of Stable Diffusion repositories that painting does not need.
    private static readonly string[] Unneeded = ["safety_checker", "feature_extractor"];

    private static readonly string[] Legacy = [".bin", ".pth", ".pt", ".ckpt"],
        LegacyStems = ["diffusion_pytorch_model", "pytorch_model"],
        Stems = ["diffusion_pytorch_model", "model"];

    /// <summary>The files of a repository in diffusers' layout.</summary>
    /// <param name="files">All files.</param>
    /// <param name="index">The content of <c>model_index.json</c>.</param>
    /// <param name="variant">A variant to prefer, such as <c>fp16</c>, or null.</param>
    /// <exception cref="MuralException">The index cannot be read, or a component has no weights.</exception>
    internal static IReadOnlyList<HubFile> OfPipeline(IReadOnlyList<HubFile> files, string index, string? variant)
    {
        var chosen = new List<HubFile>(files.Where(file => file.Path == Index));
        foreach (string component in Components(index))
        {
            HubFile[] own = [.. files.Where(file => file.Folder == component)];
            if (own.Length == 0) throw new MuralException($"The repository's {Index} names a component {component}, of which it has no file; try another revision.");
            HubFile[] weights = Weights(own, variant);
            if (weights.Length == 0 && own.Any(file => file.Name == ModelFolder.ConfigName))
                throw new MuralException(
                    $"The repository has no weights of its component {component} in a format that can be read, safetensors or PyTorch's; try another revision.");
            chosen.AddRange([.. Settings(own), .. weights]);
        }
        return chosen;
    }

    /// <summary>The files of one component, or of a repository that is one: settings and one set of weights.</summary>
    internal static IEnumerable<HubFile> OfFolder(IReadOnlyList<HubFile> files, string? variant) => Settings(files).Concat(Weights(files, variant));

    private static IEnumerable<HubFile> Settings(IReadOnlyList<HubFile> files) =>
        files.Where(file => file.Name.EndsWith(".json", StringComparison.Ordinal) && !IsShardIndex(file.Name) || file.Name.EndsWith(".txt", StringComparison.Ordinal));

    private static HubFile[] Weights(IReadOnlyList<HubFile> files, string? variant)
    {
        HubFile[] safetensors = [.. files.Where(file => file.Name.EndsWith(Safetensors, StringComparison.Ordinal) || IsShardIndex(file.Name))];
        // Others are the same weights for other programs, or other weights, which nothing reads from a folder.
        HubFile[] usual =
        [
            .. safetensors.Where(file =>
                Stems.Any(stem => file.Name.StartsWith(stem + ".", StringComparison.Ordinal) || file.Name.StartsWith(stem + "-", StringComparison.Ordinal)))
        ];
        if (safetensors.Length > 0) return OfVariant(usual.Length > 0 ? usual : safetensors, variant);
        HubFile[] legacy = [.. files.Where(file => Legacy.Any(extension => file.Name.EndsWith(extension, StringComparison.Ordinal)))];
        // Other programs' exports lie beside, such as openvino_model.bin.
        HubFile[] known = [.. legacy.Where(file => LegacyStems.Any(name => file.Name.StartsWith(name, StringComparison.Ordinal)))];
        return OfVariant(known.Length > 0 ? known : legacy, variant);
    }

    private static HubFile[] OfVariant(HubFile[] files, string? variant)
    {
        HubFile[] wanted = [.. files.Where(file => VariantOf(file.Name) == variant)];
        if (wanted.Length > 0) return wanted;
        HubFile[] plain = [.. files.Where(file => VariantOf(file.Name) is null)];
        return plain.Length > 0 ? plain : files;
    }

    /// <summary>The variant in a file's name: <c>fp16</c> of <c>model.fp16.safetensors</c>, of its shards and of either form of its shards' index; null for none.</summary>
    internal static string? VariantOf(string name)
    {
        string[] parts = name.Split('.');
        if (IsShardIndex(name)) return parts.Length > 4 ? parts.Except(["safetensors", "index", "json", parts[0]]).FirstOrDefault() : null;
        if (parts.Length < 3) return null;
        string middle = parts[^2];
        int shard = middle.IndexOf('-', StringComparison.Ordinal);
        return shard > 0 ? middle[..shard] : middle;
    }

    private static bool IsShardIndex(string name) => name.Contains(".safetensors.", StringComparison.Ordinal) && name.EndsWith(".json", StringComparison.Ordinal);

    private static IEnumerable<string> Components(string index)
    {
        JsonElement root;
        try
        {
            root = JsonDocument.Parse(index).RootElement;
        }
        catch (JsonException error)
        {
            throw new MuralException($"The repository's {Index} is not JSON ({error.Message}); try another revision.", error);
        }
        if (root.ValueKind != JsonValueKind.Object) throw new MuralException($"The repository's {Index} is not a JSON object; try another revision.");
        foreach (JsonProperty property in root.EnumerateObject())
        {
            bool there = property.Value.ValueKind == JsonValueKind.Array && property.Value.GetArrayLength() == 2 && property.Value[1].ValueKind == JsonValueKind.String;
            if (there && !Unneeded.Contains(property.Name)) yield return property.Name;
        }
    }
}
