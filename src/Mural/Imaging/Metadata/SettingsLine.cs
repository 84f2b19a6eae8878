using System.Text.Encodings.Web;
using System.Text.Json;

namespace Mural.Imaging;

/// <summary>The last line of a parameters text: <c>key: value, key: "value with, comma"</c> (spec 9.1).</summary>
internal static class SettingsLine
{
    /// <summary>A line with fewer settings is taken for a sentence of the prompt.</summary>
    internal const int FewestSettings = 3;

    private static readonly JsonSerializerOptions Readable = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>The value, as a JSON string where it would otherwise not be read back.</summary>
    internal static string Quote(string value)
    {
        bool plain = value.Length > 0 && value.Trim() == value && value[0] != '"' && value.AsSpan().IndexOfAny(",:\n\r") < 0;
        return plain ? value : JsonSerializer.Serialize(value, Readable);
    }

    /// <summary>The settings of a line in their order; parts without a key are left out.</summary>
    internal static List<KeyValuePair<string, string>> Parse(string line)
    {
        var settings = new List<KeyValuePair<string, string>>();
        ReadOnlySpan<char> rest = line;
        while (!rest.IsEmpty)
        {
            int colon = rest.IndexOf(':'), comma = rest.IndexOf(',');
            if (colon < 0) break;
            if (comma >= 0 && comma < colon)
            {
                rest = rest[(comma + 1)..];
                continue;
            }
            string key = rest[..colon].Trim().ToString();
            rest = rest[(colon + 1)..].TrimStart();
            string value = TakeValue(ref rest);
            if (IsKey(key)) settings.Add(new(key, value));
        }
        return settings;
    }

    private static string TakeValue(ref ReadOnlySpan<char> rest)
    {
        if (TryTakeQuoted(ref rest, out string quoted)) return quoted;
        int comma = rest.IndexOf(',');
        string value = (comma < 0 ? rest : rest[..comma]).Trim().ToString();
        rest = comma < 0 ? [] : rest[(comma + 1)..];
        return value;
    }

    private static bool TryTakeQuoted(ref ReadOnlySpan<char> rest, out string value)
    {
        value = "";
        if (rest.IsEmpty || rest[0] != '"') return false;
        int end = 1;
        while (end < rest.Length && rest[end] != '"') end += rest[end] == '\\' ? 2 : 1;
        if (end >= rest.Length) return false;
        ReadOnlySpan<char> after = rest[(end + 1)..].TrimStart();
        if (!after.IsEmpty && after[0] != ',') return false;
        try
        {
            value = JsonSerializer.Deserialize<string>(rest[..(end + 1)])!;
        }
        catch (Exception exception) when (exception is JsonException or ArgumentException) // The latter for half a surrogate pair.
        {
            return false;
        }
        rest = after.IsEmpty ? after : after[1..];
        return true;
    }

    // As stable-diffusion-webui: a letter or digit, then letters, digits, spaces, hyphens and slashes.
    private static bool IsKey(string key) =>
        key.Length >= 2 && (char.IsLetterOrDigit(key[0]) || key[0] == '_') && key.All(letter => char.IsLetterOrDigit(letter) || letter is '_' or ' ' or '-' or '/');
}
