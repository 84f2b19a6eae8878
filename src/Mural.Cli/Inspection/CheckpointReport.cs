using System.Text.Json.Nodes;
using Mural.Checkpoints;
using Mural.Cli.Machine;

namespace Mural.Cli.Inspection;

/// <summary>What <c>mural inspect</c> says of a checkpoint.</summary>
internal sealed record CheckpointReport
{
    public string Kind { get; } = "checkpoint";

    public required string Path { get; init; }

    public required string Format { get; init; }

    public required string? Family { get; init; }

    public required long Parameters { get; init; }

    public required long Bytes { get; init; }

    /// <summary>The number of tensors of each stored type.</summary>
    public required IReadOnlyDictionary<string, int> Types { get; init; }

    public required IReadOnlyDictionary<string, string> Metadata { get; init; }

    /// <summary>Plain values beside the tensors of a PyTorch file.</summary>
    public required IReadOnlyDictionary<string, JsonNode?> Values { get; init; }

    public required IReadOnlyList<TensorLine> Tensors { get; init; }

    /// <summary>One tensor.</summary>
    internal sealed record TensorLine(string Name, string Type, long[] Shape);

    internal static CheckpointReport Of(string path)
    {
        using ITensorSource source = Checkpoint.Open(path);
        CheckpointSummary summary = CheckpointSummary.Of(source);
        return new CheckpointReport
        {
            Path = summary.Path,
            Format = summary.Format,
            Family = CheckpointFamily.Guess(source),
            Parameters = summary.Parameters,
            Bytes = summary.Bytes,
            Types = new Dictionary<string, int>(summary.Types),
            Metadata = summary.Metadata,
            Values = summary.Values,
            Tensors = [.. source.Tensors.Values.Select(entry => new TensorLine(entry.Name, entry.Stored, entry.Shape))],
        };
    }

    internal IEnumerable<string> Lines()
    {
        yield return Path;
        yield return $"format      {Format}";
        yield return $"family      {Family ?? "not recognised"}";
        yield return $"parameters  {Human.Count(Parameters)} in {Tensors.Count} tensors "
            + $"({string.Join(", ", Types.Select(type => $"{type.Value} {type.Key}"))}), {Human.Bytes(Bytes)}";
        foreach ((string key, string value) in Metadata) yield return $"metadata    {key}: {value}";
        foreach ((string key, JsonNode? value) in Values) yield return $"value       {key}: {value?.ToJsonString() ?? "null"}";
        yield return "";
        int width = Tensors.Count == 0 ? 0 : Tensors.Max(tensor => tensor.Name.Length);
        foreach (TensorLine tensor in Tensors) yield return $"{tensor.Name.PadRight(width)}  {tensor.Type,-5} [{string.Join(", ", tensor.Shape)}]";
    }
}
