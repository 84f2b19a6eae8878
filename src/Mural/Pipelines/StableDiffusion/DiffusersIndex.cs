using System.Text.Json;
using System.Text.Json.Nodes;
using Mural.Checkpoints;

namespace Mural.Pipelines;

/// <summary>The <c>model_index.json</c> of a diffusers folder (Stable Diffusion specification 1.1): what kind of pipeline it is for.</summary>
internal sealed class DiffusersIndex
{
    /// <summary>Keys beside those of diffusers, which passes them over: sampling steps and guidance scale that suit the model.</summary>
    internal const string Steps = "steps", Guidance = "guidance";

    private readonly JsonObject _json;

    private DiffusersIndex(JsonObject json) => _json = json;

    /// <summary>The pipeline that it was saved from.</summary>
    internal string ClassName => Text("_class_name") ?? "model without a class";

    /// <summary>Reads a folder's index.</summary>
    /// <exception cref="MuralException">The index is missing or malformed.</exception>
    internal static DiffusersIndex Open(string folder)
    {
        string file = Path.Combine(folder, ModelFolder.IndexName);
        return Parse(TextFile.Read(file), file);
    }

    /// <summary>Reads the text of an index.</summary>
    /// <param name="text">The text.</param>
    /// <param name="source">What messages call it.</param>
    /// <exception cref="MuralException">It is malformed.</exception>
    internal static DiffusersIndex Parse(string text, string source)
    {
        try
        {
            return JsonNode.Parse(text) is JsonObject json
                ? new DiffusersIndex(json)
                : throw new MuralException($"{source} holds no JSON object; copy it from the model's origin again.");
        }
        catch (Exception error) when (error is JsonException or ArgumentException)
        {
            throw new MuralException($"{source} is not valid JSON; copy it from the model's origin again.", error);
        }
    }

    internal string? Text(string key) => _json[key] is JsonValue value && value.TryGetValue(out string? text) ? text : null;

    /// <summary>A positive number, or null where there is none.</summary>
    internal double? Positive(string key) => _json[key] is JsonValue value && value.TryGetValue(out double number) && number > 0 && double.IsFinite(number) ? number : null;
}
