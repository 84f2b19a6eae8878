using System.IO.Compression;
using System.Text.Json.Nodes;
using Mural.Checkpoints.SingleFile;
using Mural.Tests.Goldens;

namespace Mural.Tests.Checkpoints.SingleFile;

/// <summary>A golden table of the area <c>single-file</c>: where each tensor of an original-layout file goes.</summary>
internal sealed class SingleFileTable
{
    private SingleFileTable(string name, JsonObject json)
    {
        Name = name;
        bool shapes = json["single_file"] is JsonObject;
        JsonObject stored = shapes ? json["single_file"]!.AsObject() : json;
        Stored = stored.ToDictionary(
            pair => pair.Key,
            pair => (
                (shapes ? pair.Value!["to"] : pair.Value)!.AsArray().Select(to => new ComponentTensor(Text(to!, 0), Text(to!, 1), Transform(Text(to!, 2)))).ToArray(),
                shapes ? Shape(pair.Value!["shape"]!) : null));
        UNetConfig = json["unet_config"]?.AsObject();
        Unused = json["present_but_unused"]?.AsObject().ToDictionary(pair => pair.Key, pair => Shape(pair.Value!)) ?? [];
        Shapes = json["diffusers"]?.AsObject().ToDictionary(pair => pair.Key, pair => pair.Value!.AsObject().ToDictionary(tensor => tensor.Key, tensor => Shape(tensor.Value!)));
    }

    internal string Name { get; }

    /// <summary>What each stored tensor gives, and its shape where the table has it.</summary>
    internal Dictionary<string, (ComponentTensor[] To, long[]? Shape)> Stored { get; }

    /// <summary>What the published UNet's config says, where the table has it.</summary>
    internal JsonObject? UNetConfig { get; }

    /// <summary>Tensors of published files that a loader skips.</summary>
    internal Dictionary<string, long[]> Unused { get; }

    /// <summary>Shapes by component and name, where the table has them.</summary>
    internal Dictionary<string, Dictionary<string, long[]>>? Shapes { get; }

    /// <summary>The checkpoint folder that a table without shapes describes.</summary>
    internal string ModelFolder => GoldenCase.Model(Name);

    /// <summary>Names of the tables that <paramref name="accepts"/> takes.</summary>
    internal static TheoryData<string> Names(Func<SingleFileTable, bool> accepts)
    {
        var names = new TheoryData<string>();
        string folder = Path.Combine(GoldenCase.Root, "single-file");
        if (!Directory.Exists(folder)) return names;
        foreach (string file in Directory.GetFiles(folder, "*.json.gz").Order(StringComparer.Ordinal))
        {
            string name = Path.GetFileName(file)[..^".json.gz".Length];
            if (accepts(Open(name))) names.Add(name);
        }
        return names;
    }

    internal static SingleFileTable Open(string name)
    {
        using FileStream file = File.OpenRead(GoldenCase.At("single-file", name + ".json.gz"));
        using var text = new GZipStream(file, CompressionMode.Decompress);
        return new SingleFileTable(name, JsonNode.Parse(text)!.AsObject());
    }

    private static string Text(JsonNode row, int column) => row[column]!.GetValue<string>();

    private static long[] Shape(JsonNode node) => [.. node.AsArray().Select(size => size!.GetValue<long>())];

    private static TensorTransform Transform(string text) => text switch
    {
        "same" => TensorTransform.Same,
        "squeeze" => TensorTransform.Squeeze,
        "transpose" => TensorTransform.Transpose,
        "rows 1/3" => TensorTransform.FirstThird,
        "rows 2/3" => TensorTransform.SecondThird,
        "rows 3/3" => TensorTransform.LastThird,
        _ => throw new InvalidDataException($"The table knows a transform {text}."),
    };
}
