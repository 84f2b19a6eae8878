using System.Text.Json.Nodes;

namespace Mural.Checkpoints;

/// <summary>Lists in the JSON of a config.</summary>
internal static class ConfigWriter
{
    internal static JsonArray List<T>(IEnumerable<T> values) => [.. values.Select(value => (JsonNode?)JsonValue.Create(value))];

    /// <summary>One number where all levels of a network have the same, which is what every reader understands, else a list.</summary>
    internal static JsonNode PerLevel(IReadOnlyList<int> values) => values.Distinct().Count() == 1 ? JsonValue.Create(values[0]) : List(values);
}
