using System.Text.Json;
using System.Text.Json.Nodes;
using Mural.Checkpoints;

namespace Mural.LinFusion;

/// <summary>The <c>config.json</c> of a LinFusion checkpoint (spec 2.2).</summary>
internal static class LinFusionConfigJson
{
    private const string ClassKey = "_class_name", VersionKey = "_diffusers_version", ListKey = "modules_list";
    private const string WidthKey = "dim_n", HeadsKey = "heads", NameKey = "module_name", ProjectionKey = "projection_mid_dim";

    // The version that the released files name, and the class's name in the first of them.
    private const string Version = "0.30.0", ClassName = "LinFusion", FirstClassName = "StableMamba";

    internal static LinFusionConfig Read(string path)
    {
        string file = Directory.Exists(path) ? Path.Combine(path, ModelFolder.ConfigName) : path;
        if (!File.Exists(file)) throw new MuralException($"There is no file {file}; give the folder of a LinFusion checkpoint, which holds {ModelFolder.ConfigName} and its weights.");
        try
        {
            return Parse(File.ReadAllText(file), file);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new MuralException($"{file} cannot be read ({error.Message.TrimEnd('.')}); check the file and its permissions.", error);
        }
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
        if (found is not (ClassName or FirstClassName)) throw new MuralException($"{source} describes {found}, but {ClassName} is wanted; give the folder of a LinFusion checkpoint.");
        if (json[ListKey] is not JsonArray { Count: > 0 } list) throw new MuralException($"{source} has no {ListKey}; give the {ModelFolder.ConfigName} of a LinFusion checkpoint.");
        LinFusionModule[] modules = [.. list.Select(entry => Module(entry, source))];
        if (modules.GroupBy(module => module.Name).FirstOrDefault(group => group.Count() > 1) is { Key: { } twice })
            throw new MuralException($"{source} lists {Quote.Name(twice)} twice; copy the file from the checkpoint's origin again.");
        return new LinFusionConfig(modules);
    }

    internal static string Write(LinFusionConfig config)
    {
        var json = new JsonObject
        {
            [ClassKey] = ClassName,
            [VersionKey] = Version,
            [ListKey] = new JsonArray([.. config.Modules.Select(module => new JsonObject
            {
                [WidthKey] = module.Width,
                [HeadsKey] = module.Heads,
                [NameKey] = module.Name,
                [ProjectionKey] = module.ProjectionWidth,
            })]),
        };
        return json.ToJsonString(ConfigWriter.Indented) + "\n";
    }

    private static LinFusionModule Module(JsonNode? entry, string source)
    {
        (string? name, int? width, int? heads, JsonNode? projection) = entry switch
        {
            JsonObject item => (Text(item[NameKey]), Number(item[WidthKey]), Number(item[HeadsKey]), item[ProjectionKey]),
            // The first releases have [name, width, heads].
            JsonArray { Count: 3 } item => (Text(item[0]), Number(item[1]), Number(item[2]), null),
            _ => (null, null, null, null),
        };
        if (name is not { Length: > 0 } || width is not >= 1 || heads is not >= 1 || width % heads != 0 || projection is not null && Number(projection) is not >= -1)
            throw new MuralException($"{source} has {entry?.ToJsonString() ?? "null"} in {ListKey}, where a name, a width, heads that divide it and perhaps a width of the perceptrons are expected; copy the file from the checkpoint's origin again.");
        return new LinFusionModule(name, width.Value, heads.Value, Number(projection));
    }

    private static string? Text(JsonNode? node) => node is JsonValue value && value.TryGetValue(out string? text) ? text : null;

    private static int? Number(JsonNode? node) => node is JsonValue value && value.TryGetValue(out int number) ? number : null;
}
