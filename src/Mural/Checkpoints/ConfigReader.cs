using System.Text.Json;
using System.Text.Json.Nodes;

namespace Mural.Checkpoints;

/// <summary>Typed access to the keys of a diffusers <c>config.json</c>; a missing key or null is the default.</summary>
internal sealed class ConfigReader
{
    /// <summary>A key that stands twice is an error.</summary>
    internal static readonly JsonDocumentOptions Strict = new() { AllowDuplicateProperties = false };

    private readonly JsonObject _json;
    private readonly string _path;

    private ConfigReader(JsonObject json, string path)
    {
        _json = json;
        _path = path;
    }

    /// <summary>Opens <c>config.json</c> and checks that it belongs to <paramref name="className"/>.</summary>
    /// <param name="path">The file, or the folder that holds it.</param>
    /// <param name="className">The class that it has to describe.</param>
    /// <param name="relative">Another class that is let through, for who says more of it; null for none.</param>
    internal static ConfigReader Open(string path, string className, string? relative = null)
    {
        string file = Directory.Exists(path) ? Path.Combine(path, ModelFolder.ConfigName) : path;
        if (!File.Exists(file)) throw new MuralException($"There is no file {file}; give the folder of {className} that holds {ModelFolder.ConfigName}.");
        return Parse(TextFile.Read(file), file, className, relative);
    }

    /// <summary>Reads the text of a <c>config.json</c> and checks that it belongs to <paramref name="className"/>.</summary>
    /// <param name="text">The text.</param>
    /// <param name="source">Where it comes from, for messages.</param>
    /// <param name="className">The class that it has to describe.</param>
    /// <param name="relative">Another class that is let through, for who says more of it; null for none.</param>
    internal static ConfigReader Parse(string text, string source, string className, string? relative = null)
    {
        JsonNode? node;
        try
        {
            node = JsonNode.Parse(text, documentOptions: Strict);
        }
        catch (JsonException e)
        {
            string place = e.LineNumber is { } line ? $" (see line {line + 1})" : "";
            throw new MuralException($"{source} is not valid JSON{place}; give the config.json of {className}.", e);
        }
        if (node is not JsonObject json) throw new MuralException($"{source} holds no JSON object; give the config.json of {className}.");
        var reader = new ConfigReader(json, source);
        string found = reader.Text("_class_name", className);
        return found == className || found == relative ? reader : throw new MuralException($"{source} describes {found}, but {className} is wanted; give another folder.");
    }

    /// <summary>Where it was read from, for messages.</summary>
    internal string Source => _path;

    /// <summary>Whether a key is there without a value, where that is not the same as its absence.</summary>
    internal bool IsNull(string key) => _json.TryGetPropertyValue(key, out JsonNode? value) && value is null;

    internal string Text(string key, string missing) => Value(key, missing, "a text");

    internal int Integer(string key, int missing) => Value(key, missing, "a whole number");

    internal bool Flag(string key, bool missing) => Value(key, missing, "true or false");

    internal double Number(string key, double missing) => Value(key, missing, "a number");

    internal int? OptionalInteger(string key) => _json[key] is null ? null : Integer(key, 0);

    internal double? OptionalNumber(string key) => _json[key] is null ? null : Number(key, 0);

    internal T[]? List<T>(string key)
    {
        if (_json[key] is not { } node) return null;
        try
        {
            return [.. node.AsArray().Select(element => element!.GetValue<T>())];
        }
        catch (Exception e) when (e is InvalidOperationException or FormatException or NullReferenceException)
        {
            throw Wrong(key, "a list of values of one kind", e);
        }
    }

    /// <summary>One value for each level of a network, given as a list or as one number for all of them.</summary>
    internal int[] PerLevel(string key, int levels, int missing)
    {
        if (_json[key] is not JsonArray) return [.. Enumerable.Repeat(Integer(key, missing), levels)];
        int[] values = List<int>(key)!;
        return values.Length == levels ? values : throw new MuralException($"{_path} has {values.Length} values of {key} for {levels} levels; correct the file.");
    }

    /// <summary>Refuses a config that sets a key to anything but what its absence means.</summary>
    /// <param name="key">The key.</param>
    /// <param name="only">The one value that is supported, as JSON; lists of it are too.</param>
    internal void RequireDefault(string key, string only)
    {
        if (_json[key] is not { } node) return;
        JsonNode? wanted = JsonNode.Parse(only);
        bool same = node is JsonArray list ? list.All(value => JsonNode.DeepEquals(value, wanted)) : JsonNode.DeepEquals(node, wanted);
        if (!same)
            throw new MuralException($"{_path} has {key} {node.ToJsonString()}, which is not supported; only {only} is.");
    }

    internal void Require(string key, string found, string only)
    {
        if (found != only) throw new MuralException($"{_path} has {key} \"{found}\", which is not supported; only \"{only}\" is.");
    }

    private T Value<T>(string key, T missing, string expected)
    {
        if (_json[key] is not { } node) return missing;
        try
        {
            return node.GetValue<T>();
        }
        catch (Exception e) when (e is InvalidOperationException or FormatException)
        {
            throw Wrong(key, expected, e);
        }
    }

    private MuralException Wrong(string key, string expected, Exception cause) =>
        new($"{_path} has {key} {_json[key]!.ToJsonString()}, but {expected} is expected; correct the file.", cause);
}
