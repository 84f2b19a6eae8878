using System.Text.Json;
using System.Text.Json.Serialization;
using Mural.Checkpoints;

namespace Mural.Pipelines;

/// <summary>
/// The <c>model_index.json</c> of a model folder: which parts a DiM pipeline has and what it paints with when nothing else is asked for. The denoiser is
/// a folder with <c>config.json</c> and <c>model.safetensors</c>, the autoencoder one as diffusers keeps it.
/// </summary>
public sealed record DiMModelIndex
{
    internal const string ClassName = "DiMPipeline";

    private static readonly JsonSerializerOptions Json = new() { WriteIndented = true, RespectNullableAnnotations = true };

    /// <summary>Kind of model, as written in the file.</summary>
    [JsonPropertyName("_class_name")]
    public string Class { get; init; } = ClassName;

    /// <summary>What people call the model.</summary>
    [JsonPropertyName("name")]
    public string Name { get; init; } = "";

    /// <summary>Folder of the denoiser.</summary>
    [JsonPropertyName("dim")]
    public string Denoiser { get; init; } = "dim";

    /// <summary>Folder of the autoencoder, or null for a model that paints pixels.</summary>
    [JsonPropertyName("autoencoder")]
    public string? Autoencoder { get; init; }

    /// <summary>File with one word a line, or null for a model of numbered classes.</summary>
    [JsonPropertyName("vocabulary")]
    public string? Vocabulary { get; init; }

    /// <summary>Words added to a prompt that holds none of <see cref="WordsNeedingDefault"/>: the style to paint in where none is named.</summary>
    [JsonPropertyName("default_words")]
    public IReadOnlyList<string> DefaultWords { get; init; } = [];

    /// <summary>The words of which a prompt should hold at least one: the styles.</summary>
    [JsonPropertyName("words_needing_default")]
    public IReadOnlyList<string> WordsNeedingDefault { get; init; } = [];

    /// <summary>Sampling steps, counted in network evaluations.</summary>
    [JsonPropertyName("steps")]
    public int Steps { get; init; } = 50;

    /// <summary>Guidance scale in the common convention, where 1 is none.</summary>
    [JsonPropertyName("guidance")]
    public double Guidance { get; init; } = 1.7;

    /// <summary>Guidance scale when upsampling, or null for <see cref="Guidance"/>.</summary>
    [JsonPropertyName("upscale_guidance")]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public double? UpscaleGuidance { get; init; }

    /// <summary>The share of the time, from the start, in which the small picture leads when upsampling, or null for the released configurations' 0.3.</summary>
    [JsonPropertyName("upscale_share")]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public double? UpscaleShare { get; init; }

    /// <summary>Reads a folder's index.</summary>
    /// <exception cref="MuralException">The folder or its index is missing, is not JSON, or is that of another kind of model.</exception>
    public static DiMModelIndex Load(string folder)
    {
        string path = Path.Combine(folder, ModelFolder.IndexName);
        if (!File.Exists(path))
            throw new MuralException($"{folder} is not a model folder: it has no {ModelFolder.IndexName}; give the folder of a DiM model.");
        try
        {
            DiMModelIndex index = JsonSerializer.Deserialize<DiMModelIndex>(File.ReadAllText(path), Json) ?? throw new JsonException("it is empty");
            index.Check(path);
            return index with { Name = index.Name.Length > 0 ? index.Name : Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder))) };
        }
        catch (JsonException exception)
        {
            throw new MuralException($"{path} is not a model index ({exception.Message}); it must be the JSON of a DiM pipeline.", exception);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new MuralException($"{path} cannot be read ({exception.Message.TrimEnd('.')}); check the file and its permissions.", exception);
        }
    }

    /// <summary>The text of <c>model_index.json</c>.</summary>
    public string ToJson() => JsonSerializer.Serialize(this, Json);

    private void Check(string path)
    {
        if (Class != ClassName) throw new MuralException($"{path} describes a {Class}, but a {ClassName} was expected; give the folder of a DiM model.");
        if (Steps < 1) throw new MuralException($"{path} says steps = {Steps}; it must be at least 1.");
        if (!double.IsFinite(Guidance)) throw new MuralException($"{path} says guidance = {Guidance}; it must be a number.");
        foreach (string? part in new[] { Denoiser, Autoencoder, Vocabulary })
            if (part is not null && (Path.IsPathRooted(part) || part.Split('/', '\\').Contains("..")))
                throw new MuralException($"{path} names \"{part}\", which lies outside the model's folder; parts must lie inside.");
    }
}
