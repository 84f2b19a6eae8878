using System.Text.Json;
using System.Text.Json.Serialization;

namespace Mural.Checkpoints;

/// <summary>The values of an enumeration as settings, configs and command lines name them: in snake case, unless a value's attribute says otherwise.</summary>
internal static class EnumNames
{
    /// <summary>Reads and writes them in JSON.</summary>
    internal static readonly JsonStringEnumConverter Converter = new(JsonNamingPolicy.SnakeCaseLower, allowIntegerValues: false);

    private static readonly JsonSerializerOptions Json = new() { Converters = { Converter } };

    /// <summary>The name of a value.</summary>
    internal static string Of<T>(T value) where T : struct, Enum => JsonSerializer.SerializeToNode(value, Json)!.GetValue<string>();

    /// <summary>The value of a name, or null for an unknown one.</summary>
    internal static T? Parse<T>(string? name) where T : struct, Enum => Enum.GetValues<T>().Cast<T?>().FirstOrDefault(value => Of(value!.Value) == name);

    /// <summary>All names, for messages.</summary>
    internal static IEnumerable<string> All<T>() where T : struct, Enum => Enum.GetValues<T>().Select(value => Of(value));
}
