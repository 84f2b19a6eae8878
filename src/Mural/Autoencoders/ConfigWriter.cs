using System.Text.Json.Nodes;

namespace Mural.Autoencoders;

/// <summary>Lists in the JSON of a config.</summary>
internal static class ConfigWriter
{
    internal static JsonArray List<T>(IEnumerable<T> values) => [.. values.Select(value => (JsonNode?)JsonValue.Create(value))];
}
