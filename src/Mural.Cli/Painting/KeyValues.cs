using System.Globalization;

namespace Mural.Cli.Painting;

/// <summary>The value of an option that has parts: <c>key=value,key=value</c>.</summary>
internal sealed class KeyValues
{
    private readonly string _option;
    private readonly Dictionary<string, string> _values = [];

    private KeyValues(string option) => _option = option;

    /// <exception cref="MuralException">The text is not of that form, or has another key.</exception>
    internal static KeyValues Parse(string option, string text, IReadOnlyList<string> keys)
    {
        var values = new KeyValues(option);
        string? last = null;
        foreach (string part in text.Split(','))
        {
            int equals = part.IndexOf('=', StringComparison.Ordinal);
            string key = equals > 0 ? part[..equals].Trim() : "";
            bool known = keys.Contains(key);
            // Paths may have commas, so that what is no key goes on with the value before it.
            if (!known && last is not null) values._values[last] += "," + part;
            else if (known && values._values.TryAdd(key, part[(equals + 1)..])) last = key;
            else throw new MuralException($"{option} takes {string.Join(", ", keys)}, each once as key=value and separated by commas, not '{part.Trim()}'.");
        }
        foreach (string key in values._values.Keys.ToArray()) values._values[key] = values._values[key].Trim();
        return values;
    }

    internal string Required(string key) =>
        _values.TryGetValue(key, out string? value) && value.Length > 0 ? value : throw new MuralException($"{_option} needs {key}=VALUE.");

    internal string? Optional(string key) => _values.GetValueOrDefault(key);

    internal double? Number(string key)
    {
        if (!_values.TryGetValue(key, out string? value)) return null;
        return double.TryParse(value, NumberStyles.Float, CultureInfo.InvariantCulture, out double number)
            ? number : throw new MuralException($"{_option} takes a number for {key}, not '{value}'.");
    }

    internal bool Flag(string key)
    {
        if (!_values.TryGetValue(key, out string? value)) return false;
        return bool.TryParse(value, out bool flag) ? flag : throw new MuralException($"{_option} takes true or false for {key}, not '{value}'.");
    }
}
