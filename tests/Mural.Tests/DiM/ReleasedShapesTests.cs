using System.IO.Compression;
using System.Text.Json.Nodes;
using Mural.Checkpoints;
using Mural.DiM;
using Mural.Tests.Goldens;

namespace Mural.Tests.DiM;

/// <summary>Names, shapes and counts of the released configurations. Models are built on the meta device, which holds no numbers.</summary>
[Trait("Area", "dim")]
public class ReleasedShapesTests
{
    private static readonly Dictionary<string, DiMConfig> Presets = new()
    {
        ["S"] = DiMConfig.Small,
        ["L"] = DiMConfig.Large,
        ["H-256"] = DiMConfig.Huge,
        ["H-512"] = DiMConfig.Huge512,
    };

    public static TheoryData<string, string> Configurations
    {
        get
        {
            var data = new TheoryData<string, string>();
            string folder = Path.Combine(GoldenCase.Root, "dim");
            if (!Directory.Exists(folder)) return data;
            foreach (string file in Directory.GetFiles(folder, "*.json.gz").Order(StringComparer.Ordinal))
                foreach ((string name, JsonNode? entry) in Open(Path.GetFileName(file)))
                    if (entry?["shapes"] is not null) data.Add(Path.GetFileName(file), name);
            return data;
        }
    }

    [GoldenTheory, MemberData(nameof(Configurations))]
    public void ModelOfTheShapesHasTheReleasedTensors(string file, string name)
    {
        using var scope = NewDisposeScope();
        JsonNode entry = Open(file)[name]!;
        Dictionary<string, long[]> shapes = entry["shapes"]!.AsObject().ToDictionary(
            shape => shape.Key, shape => shape.Value!.AsArray().Select(size => size!.GetValue<long>()).ToArray());
        using var source = new ShapesOnly(shapes);
        DiMConfig config = DiMConfig.FromCheckpoint(source);
        using var model = new DiMModel(config, META);

        Dictionary<string, long[]> actual = model.named_parameters().ToDictionary(parameter => parameter.name, parameter => parameter.parameter.shape);
        Assert.Equal(shapes.Keys.Order(StringComparer.Ordinal), actual.Keys.Order(StringComparer.Ordinal));
        Assert.All(shapes, shape => Assert.Equal(shape.Value, actual[shape.Key]));
        Assert.Equal(entry["tensors"]!.GetValue<int>(), actual.Count);
        Assert.Equal(entry["parameters"]!.GetValue<long>(), actual.Values.Sum(shape => shape.Aggregate(1L, (product, size) => product * size)));
        // The layout of pads is not in the weights.
        if (Presets.TryGetValue(name, out DiMConfig? preset)) Assert.Equal(preset with { PadLayout = PadLayout.Lateral }, config);
    }

    private static JsonObject Open(string file)
    {
        using FileStream stream = File.OpenRead(Path.Combine(GoldenCase.Root, "dim", file));
        using var unpacked = new GZipStream(stream, CompressionMode.Decompress);
        return JsonNode.Parse(unpacked)!.AsObject();
    }

    private sealed class ShapesOnly(Dictionary<string, long[]> shapes) : ITensorSource
    {
        public string Path => "shapes";

        public string Format => "shapes";

        public IReadOnlyDictionary<string, TensorEntry> Tensors { get; } = shapes.ToDictionary(
            shape => shape.Key, shape => new TensorEntry(shape.Key, ScalarType.Float32, shape.Value, 0, 0));

        public IReadOnlyDictionary<string, string> Metadata { get; } = new Dictionary<string, string>();

        public Tensor Read(string name, ScalarType? type = null) => throw new NotSupportedException();

        public void CopyInto(string name, Tensor destination) => throw new NotSupportedException();

        public void Dispose() { }
    }
}
