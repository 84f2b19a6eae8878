using System.Text.Json;
using System.Text.Json.Nodes;
using Mural.Checkpoints;

namespace Mural.LinFusion;

/// <summary>The <c>config.json</c> of a LinFusion checkpoint (spec 2.2).</summary>
internal static class LinFusionConfigJson
{
    private const string ClassKey = "_class_name", VersionKey = "_diffusers_version", ListKey = "modules_list";
    private const string WidthKey = "dim_n", HeadsKey = "heads", NameKey = "module_name", ProjectionKey = "projection_mid_dim";

    // Not in the released files, which are all of one kind.
    private const string MixerKey = "mixer", TokensKey = "training_tokens";

    // The version that the released files name, and the class's name in the first of them.
    private const string Version = "0.30.0", ClassName = "LinFusion", FirstClassName = "StableMamba";

    internal static LinFusionConfig Read(string path)
    {
        string file = Directory.Exists(path) ? Path.Combine(path, ModelFolder.ConfigName) : path;
        if (!File.Exists(file))
            throw new MuralException($"There is no file {file}; give the folder of a LinFusion checkpoint, which holds {ModelFolder.ConfigName} and its weights.");
        return Parse(TextFile.Read(file), file);
    }

    internal static LinFusionConfig Parse(string text, string source)
    {
        JsonObject json;
        try
        {
            json = JsonNode.Parse(text, documentOptions: ConfigReader.Strict) as JsonObject ?? throw new JsonException("not an object");
        }
        catch (JsonException error)
        {
            throw new MuralException($"{source} holds no JSON object; give the {ModelFolder.ConfigName} of a LinFusion checkpoint.", error);
        }
        string found = Text(json[ClassKey]) ?? "no class";
        if (found is not (ClassName or FirstClassName))
            throw new MuralException($"{source} describes {found}, but {ClassName} is wanted; give the folder of a LinFusion checkpoint.");
        if (json[ListKey] is not JsonArray { Count: > 0 } list)
            throw new MuralException($"{source} has no {ListKey}; give the {ModelFolder.ConfigName} of a LinFusion checkpoint.");
        LinearMixer mixer = Mixer(json[MixerKey], source);
        LinFusionModule[] modules = [.. list.Select(entry => Module(entry, mixer, source))];
        if (modules.GroupBy(module => module.Name).FirstOrDefault(group => group.Count() > 1) is { Key: { } twice })
            throw new MuralException($"{source} lists {Quote.Name(twice)} twice; copy the file from the checkpoint's origin again.");
        return new LinFusionConfig(modules) { Mixer = mixer };
    }

    internal static string Write(LinFusionConfig config)
    {
        var json = new JsonObject
        {
            [ClassKey] = ClassName,
            [VersionKey] = Version,
        };
        if (config.Mixer != LinearMixer.LinFusion) json[MixerKey] = EnumNames.Of(config.Mixer);
        json[ListKey] = new JsonArray([.. config.Modules.Select(Entry)]);
        return json.ToJsonString(ConfigWriter.Indented) + "\n";
    }

    private static JsonObject Entry(LinFusionModule module)
    {
        var entry = new JsonObject { [WidthKey] = module.Width, [HeadsKey] = module.Heads, [NameKey] = module.Name, [ProjectionKey] = module.ProjectionWidth };
        if (module.TrainingTokens is { } tokens) entry[TokensKey] = tokens;
        return entry;
    }

    private static LinearMixer Mixer(JsonNode? node, string source)
    {
        if (node is null) return LinearMixer.LinFusion;
        return EnumNames.Parse<LinearMixer>(Text(node)) ??
            throw new MuralException($"{source} has the mixer {node.ToJsonString()}; known are {string.Join(", ", EnumNames.All<LinearMixer>())}.");
    }

    private static LinFusionModule Module(JsonNode? entry, LinearMixer mixer, string source)
    {
        (string? name, int? width, int? heads, JsonNode? projection) = entry switch
        {
            JsonObject item => (Text(item[NameKey]), Number(item[WidthKey]), Number(item[HeadsKey]), item[ProjectionKey]),
            // The first releases have [name, width, heads].
            JsonArray { Count: 3 } item => (Text(item[0]), Number(item[1]), Number(item[2]), null),
            _ => (null, null, null, null),
        };
        if (name is not { Length: > 0 } || width is not >= 1 || heads is not >= 1 || width % heads != 0 || projection is not null && Number(projection) is not >= -1)
            throw new MuralException(
                $"{source} has {entry?.ToJsonString() ?? "null"} in {ListKey}, where a name, a width, heads that divide it and perhaps a width of the perceptrons are expected; "
                + "copy the file from the checkpoint's origin again.");
        int? tokens = mixer == LinearMixer.UnnormalizedLinearAttention ? Number(entry![TokensKey]) : null;
        if (mixer == LinearMixer.UnnormalizedLinearAttention && tokens is not >= 1)
            throw new MuralException(
                $"{source} does not say {TokensKey} for {Quote.Name(name)}, which {EnumNames.Of(mixer)} needs; copy the file from the checkpoint's origin again.");
        return new LinFusionModule(name, width.Value, heads.Value, Number(projection)) { TrainingTokens = tokens };
    }

    private static string? Text(JsonNode? node) => node is JsonValue value && value.TryGetValue(out string? text) ? text : null;

    private static int? Number(JsonNode? node) => node is JsonValue value && value.TryGetValue(out int number) ? number : null;
}
