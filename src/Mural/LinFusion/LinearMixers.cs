using System.Text.Json;
using System.Text.Json.Serialization;

namespace Mural.LinFusion;

/// <summary>The names of mixers in settings and configs.</summary>
internal static class LinearMixers
{
    private static readonly JsonSerializerOptions Json = new() { Converters = { new JsonStringEnumConverter(JsonNamingPolicy.SnakeCaseLower, allowIntegerValues: false) } };

    private static readonly Dictionary<string, LinearMixer> ByName = Enum.GetValues<LinearMixer>().ToDictionary(NameOf);

    /// <summary>All of them.</summary>
    internal static IEnumerable<string> Names => ByName.Keys;

    internal static string NameOf(LinearMixer mixer) => JsonSerializer.SerializeToNode(mixer, Json)!.GetValue<string>();

    /// <summary>The mixer of a name, or null for an unknown one.</summary>
    internal static LinearMixer? Parse(string name) => ByName.TryGetValue(name, out LinearMixer mixer) ? mixer : null;
}
