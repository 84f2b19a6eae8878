using System.Text.Json;
using System.Text.Json.Nodes;

namespace Mural.Pipelines;

/// <summary>The <c>model_index.json</c> of a diffusers folder (Stable Diffusion specification 1.1): which components there are, of which classes.</summary>
internal sealed class DiffusersFolder
{
    internal const string IndexName = "model_index.json";

    private readonly JsonObject _json;

    private DiffusersFolder(string path, JsonObject json)
    {
        Path = path;
        _json = json;
    }

    internal string Path { get; }

    /// <summary>What people call the model: the folder's name.</summary>
    internal string Name => System.IO.Path.GetFileName(System.IO.Path.TrimEndingDirectorySeparator(System.IO.Path.GetFullPath(Path)));

    /// <summary>The pipeline that it was saved from.</summary>
    internal string ClassName => Text("_class_name") ?? "model without a class";

    /// <exception cref="MuralException">The folder or its index is missing or malformed.</exception>
    internal static DiffusersFolder Open(string path)
    {
        string file = System.IO.Path.Combine(path, IndexName);
        if (!File.Exists(file))
            throw new MuralException($"{path} is not a model folder: it has no {IndexName}; give the folder of a Stable Diffusion model as diffusers keeps it.");
        try
        {
            return JsonNode.Parse(File.ReadAllText(file)) is JsonObject json
                ? new DiffusersFolder(path, json)
                : throw new MuralException($"{file} holds no JSON object; copy it from the model's origin again.");
        }
        catch (Exception error) when (error is JsonException or ArgumentException)
        {
            throw new MuralException($"{file} is not valid JSON; copy it from the model's origin again.", error);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new MuralException($"{file} cannot be read ({error.Message.TrimEnd('.')}); check the file and its permissions.", error);
        }
    }

    /// <summary>Whether the pipeline has a component, which an index says by anything but a pair of nulls.</summary>
    internal bool Has(string component) => ClassOf(component) is not null;

    /// <summary>The folder of a component, which must be of one of these classes.</summary>
    /// <exception cref="MuralException">The component is missing or of another class.</exception>
    internal string Folder(string component, params string[] classes)
    {
        string found = ClassOf(component) ?? throw new MuralException($"{Path} has no {component}, without which nothing can be painted; add that component to the folder and to {IndexName}.");
        if (classes.Length > 0 && !classes.Contains(found))
            throw new MuralException($"{Path} has a {component} of class {found}, but {string.Join(" or ", classes)} was expected; use another model.");
        string folder = System.IO.Path.Combine(Path, component);
        return Directory.Exists(folder) ? folder : throw new MuralException($"{Path} lacks the folder {component}, which its {IndexName} names; copy the whole model again.");
    }

    internal bool Flag(string key) => _json[key] is JsonValue value && value.TryGetValue(out bool flag) && flag;

    internal string? Text(string key) => _json[key] is JsonValue value && value.TryGetValue(out string? text) ? text : null;

    private string? ClassOf(string component) =>
        _json[component] is JsonArray { Count: 2 } pair && pair[1] is JsonValue value && value.TryGetValue(out string? name) ? name : null;
}
