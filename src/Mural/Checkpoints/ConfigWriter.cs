using System.Text.Json;
using System.Text.Json.Nodes;

namespace Mural.Checkpoints;

/// <summary>The JSON of configs.</summary>
internal static class ConfigWriter
{
    /// <summary>One key a line, as diffusers writes it on every system.</summary>
    internal static readonly JsonSerializerOptions Indented = new() { WriteIndented = true, NewLine = "\n" };

    internal static JsonArray List<T>(IEnumerable<T> values) => [.. values.Select(value => (JsonNode?)JsonValue.Create(value))];

    /// <summary>One number where all levels of a network have the same, which is what every reader understands, else a list.</summary>
    internal static JsonNode PerLevel(IReadOnlyList<int> values) => values.Distinct().Count() == 1 ? JsonValue.Create(values[0]) : List(values);
}
