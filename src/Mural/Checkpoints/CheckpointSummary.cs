using System.Text.Json.Nodes;

namespace Mural.Checkpoints;

/// <summary>What an open checkpoint holds, in figures.</summary>
/// <param name="Path">The file or index.</param>
/// <param name="Format">The format by name.</param>
/// <param name="TensorCount">The number of tensors.</param>
/// <param name="Parameters">The number of elements of all tensors.</param>
/// <param name="Bytes">The bytes these elements take as they are stored.</param>
/// <param name="Types">The number of tensors of each stored type, most first.</param>
/// <param name="Metadata">Free text entries.</param>
/// <param name="Values">Plain values that lie beside the tensors of a PyTorch file.</param>
public sealed record CheckpointSummary(
    string Path,
    string Format,
    int TensorCount,
    long Parameters,
    long Bytes,
    IReadOnlyList<KeyValuePair<string, int>> Types,
    IReadOnlyDictionary<string, string> Metadata,
    IReadOnlyDictionary<string, JsonNode?> Values)
{
    /// <summary>Summarises an open checkpoint without reading its tensors.</summary>
    public static CheckpointSummary Of(ITensorSource source)
    {
        ArgumentNullException.ThrowIfNull(source);
        IEnumerable<TensorEntry> entries = source.Tensors.Values;
        return new CheckpointSummary(
            source.Path,
            source.Format,
            source.Tensors.Count,
            entries.Sum(entry => entry.Elements),
            entries.Sum(entry => entry.Bytes),
            [.. entries.CountBy(entry => entry.Stored).OrderByDescending(pair => pair.Value).ThenBy(pair => pair.Key, StringComparer.Ordinal)],
            source.Metadata,
            source is TorchFile torch ? torch.Values : new Dictionary<string, JsonNode?>());
    }
}
