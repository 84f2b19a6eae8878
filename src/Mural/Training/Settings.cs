using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using Mural.Checkpoints;

namespace Mural.Training;

/// <summary>Reads settings files: JSON with comments and trailing commas, snake_case keys, and no key that nobody reads.</summary>
internal static class Settings
{
    internal static JsonSerializerOptions Json { get; } = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        ReadCommentHandling = JsonCommentHandling.Skip,
        AllowTrailingCommas = true,
        RespectNullableAnnotations = true,
        WriteIndented = true,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        Converters = { EnumNames.Converter },
        TypeInfoResolver = new DefaultJsonTypeInfoResolver(),
    };

    /// <summary>Parses a file, or says in one sentence where it is wrong.</summary>
    /// <exception cref="MuralException">The file is missing or is not JSON.</exception>
    internal static JsonDocument Parse(string path)
    {
        try
        {
            return JsonDocument.Parse(File.ReadAllText(path), new JsonDocumentOptions { CommentHandling = JsonCommentHandling.Skip, AllowTrailingCommas = true });
        }
        catch (JsonException e)
        {
            throw new MuralException($"'{path}' is not valid JSON: {e.Message}", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new MuralException($"The settings file '{path}' cannot be read: {e.Message}", e);
        }
    }

    /// <summary>Turns a parsed file into a settings record and refuses keys that the record does not have.</summary>
    /// <exception cref="MuralException">A key is unknown or a value has the wrong type.</exception>
    internal static T Read<T>(JsonElement element, string path) where T : class
    {
        RefuseUnknownKeys(element, typeof(T), path, "");
        try
        {
            return element.Deserialize<T>(Json) ?? throw new MuralException($"'{path}' holds null where settings are expected.");
        }
        catch (JsonException e)
        {
            throw new MuralException($"'{path}': the value at {e.Path ?? "$"} has the wrong type: {FirstSentence(e.Message)}", e);
        }
    }

    internal static void InRange(string key, double value, double least, double most)
    {
        if (!(value >= least && value <= most)) throw new MuralException($"The setting '{key}' is {value}, which is outside {least} to {most}; give a number in this range.");
    }

    internal static void Positive(string key, double value)
    {
        if (!(value > 0 && double.IsFinite(value))) throw new MuralException($"The setting '{key}' is {value}; a positive number is expected.");
    }

    internal static void Given(string key, string value, string expected)
    {
        if (value.Length == 0) throw new MuralException($"The setting '{key}' is missing; give {expected}.");
    }

    /// <summary>How something is sampled: the keys <c>steps</c> and <c>guidance</c> of an object.</summary>
    internal static void Sampling(string key, int steps, double? guidance)
    {
        InRange($"{key}.steps", steps, 1, 1000);
        if (guidance is { } scale) InRange($"{key}.guidance", scale, 0, 100);
    }

    /// <summary>A path of the settings file, seen from the folder that the file lies in.</summary>
    internal static string Resolve(string settingsPath, string path) =>
        Path.GetFullPath(path, Path.GetDirectoryName(Path.GetFullPath(settingsPath))!);

    private static void RefuseUnknownKeys(JsonElement element, Type type, string path, string prefix)
    {
        if (element.ValueKind != JsonValueKind.Object) return;
        JsonTypeInfo info = Json.GetTypeInfo(type);
        if (info.Kind != JsonTypeInfoKind.Object) return;
        foreach (JsonProperty property in element.EnumerateObject())
        {
            JsonPropertyInfo? known = info.Properties.FirstOrDefault(p => p.Name == property.Name);
            if (known is null)
            {
                string all = string.Join(", ", info.Properties.Select(p => p.Name));
                throw new MuralException($"'{path}' has an unknown setting '{prefix}{property.Name}'; known here are: {all}.");
            }
            RefuseUnknownKeys(property.Value, known.PropertyType, path, $"{prefix}{property.Name}.");
        }
    }

    private static string FirstSentence(string message)
    {
        int end = message.IndexOf(" Path:", StringComparison.Ordinal);
        return end < 0 ? message : message[..end];
    }
}
