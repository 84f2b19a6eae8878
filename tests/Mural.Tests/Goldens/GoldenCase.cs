using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Mural.Checkpoints;

namespace Mural.Tests.Goldens;

/// <summary>
/// Inputs and outputs of an official implementation: NAME.json and NAME.safetensors in a folder named after the area.
/// <c>MURAL_GOLDENS</c> names another root than tests/goldens.
/// </summary>
public sealed partial class GoldenCase : IDisposable
{
    private readonly SafetensorsFile _tensors;
    private DisposeScope? _scope;
    private IDisposable? _quiet;

    private GoldenCase(string area, string name)
    {
        Area = area;
        Name = name;
        Json = ReadJson(area, name);
        _tensors = SafetensorsFile.Open(Path.Combine(Root, area, name + ".safetensors"));
    }

    /// <summary>Whether <c>MURAL_GOLDENS</c> names the root.</summary>
    public static bool RootIsGiven => Environment.GetEnvironmentVariable("MURAL_GOLDENS") is { Length: > 0 };

    public static string Root { get; } = Environment.GetEnvironmentVariable("MURAL_GOLDENS") is { Length: > 0 } root ? root : InRepository() ??
        throw new DirectoryNotFoundException($"No folder above {AppContext.BaseDirectory} has tests/goldens; name the golden cases' folder in MURAL_GOLDENS.");

    public string Area { get; }

    public string Name { get; }

    public JsonObject Json { get; }

    public JsonNode Config => Json["config"] ?? new JsonObject();

    /// <summary>Folder of the checkpoint that the case runs on.</summary>
    public string ModelFolder => Model(Json["model"]!.GetValue<string>());

    public IReadOnlyDictionary<string, TensorEntry> Tensors => _tensors.Tensors;

    public static GoldenCase Open(string area, string name) => new(area, name);

    /// <summary>Opens a case for a test that records no gradients; what the test computes while the case is open is freed with it.</summary>
    public static GoldenCase OpenWithoutGradients(string area, string name) => new(area, name) { _scope = NewDisposeScope(), _quiet = no_grad() };

    /// <summary>A file or folder below the root. Cases that <c>MURAL_GOLDENS</c> names need not bring what they share with the repository's, such as models.</summary>
    public static string At(params string[] parts)
    {
        string place = Path.Combine([Root, .. parts]);
        return RootIsGiven && !Path.Exists(place) && InRepository() is { } repository ? Path.Combine([repository, .. parts]) : place;
    }

    /// <summary>Folder of a checkpoint that cases run on.</summary>
    public static string Model(string name) => At("models", name);

    /// <summary>A file of an adapter, or the folder of its image encoder.</summary>
    public static string Adapter(string name) => At("adapters", "files", name);

    /// <summary>
    /// Names of the cases of an area that <paramref name="accepts"/> recognises. Unseen cases may have any name: recognise a case by what its json and
    /// tensors hold, not by its name alone.
    /// </summary>
    public static TheoryData<string> Names(string area, Func<GoldenCase, bool> accepts)
    {
        var names = new TheoryData<string>();
        string folder = Path.Combine(Root, area);
        if (!Directory.Exists(folder)) return names;
        foreach (string file in Directory.GetFiles(folder, "*.json").Order(StringComparer.Ordinal))
        {
            string name = Path.GetFileNameWithoutExtension(file);
            if (!File.Exists(Path.ChangeExtension(file, ".safetensors"))) continue;
            using GoldenCase golden = Open(area, name);
            if (accepts(golden)) names.Add(name);
        }
        return names;
    }

    /// <summary>Names of the cases of an area that <paramref name="accepts"/> recognises by their json alone; they need not have tensors.</summary>
    public static TheoryData<string> NamesByJson(string area, Func<JsonObject, bool> accepts)
    {
        var names = new TheoryData<string>();
        string folder = Path.Combine(Root, area);
        if (!Directory.Exists(folder)) return names;
        foreach (string file in Directory.GetFiles(folder, "*.json").Order(StringComparer.Ordinal))
            if (accepts(ReadJson(file))) names.Add(Path.GetFileNameWithoutExtension(file));
        return names;
    }

    /// <summary>Skips the test where the golden cases given lack a file or folder that the repository's have beside the cases.</summary>
    public static void Require(string path) => Assert.SkipWhen(RootIsGiven && !Path.Exists(path), $"the golden cases given have no {Path.GetRelativePath(Root, path)}");

    /// <summary>The json of a case.</summary>
    public static JsonObject ReadJson(string area, string name) => ReadJson(Path.Combine(Root, area, name + ".json"));

    /// <summary>The json of a file. Infinity and NaN, which Python writes bare and JSON does not know, become texts (see <see cref="Number"/>).</summary>
    public static JsonObject ReadJson(string file) =>
        JsonNode.Parse(TextOrInfinity().Replace(File.ReadAllText(file), match => match.Groups[1].Success ? $"\"{match.Value}\"" : match.Value))!.AsObject();

    /// <summary>A number that may be infinite.</summary>
    public static double Number(JsonNode node) =>
        node.GetValueKind() == JsonValueKind.String ? double.Parse(node.GetValue<string>(), CultureInfo.InvariantCulture) : node.GetValue<double>();

    // Texts are matched too, or the word would be quoted inside them.
    [GeneratedRegex("""
        "(?>[^"\\]+|\\.)*"|(-?Infinity|NaN)
        """)]
    private static partial Regex TextOrInfinity();

    public bool Has(string tensor) => _tensors.Tensors.ContainsKey(tensor);

    public Tensor Get(string tensor, ScalarType? type = null) => _tensors.Read(tensor, type);

    /// <summary>
    /// Changes a loaded checkpoint as the case says: tensors that it brings replace those of the same name, and layers whose names end as it lists are multiplied by 1/128.
    /// </summary>
    /// <param name="module">The network.</param>
    /// <param name="prefix">What stands before the network's names in the case.</param>
    /// <param name="takes">Which of the network's names are meant; null for all.</param>
    public void Change(nn.Module module, string prefix = "w.", Func<string, bool>? takes = null)
    {
        string[] layers = [.. (Config["layer_endings"] as JsonArray ?? []).Select(ending => ending!.GetValue<string>())];
        foreach ((string name, TorchSharp.Modules.Parameter parameter) in module.named_parameters())
        {
            if (takes?.Invoke(name) != false && Has(prefix + name)) _tensors.CopyInto(prefix + name, parameter);
            string layer = name[..name.LastIndexOf('.')];
            if (layers.Any(ending => layer.EndsWith(ending, StringComparison.Ordinal))) parameter.mul_(1 / 128f);
        }
    }

    /// <summary>Fails unless <paramref name="actual"/> is within the case's tolerance, or the one given, for the tensor of that name.</summary>
    public void AssertMatches(string tensor, Tensor actual, JsonNode? tolerance = null)
    {
        using var scope = NewDisposeScope();
        Tensor expected = Get(tensor);
        Assert.Equal(expected.shape, actual.shape);
        tolerance ??= Json["tolerance"]?["per_output"]?[tensor] ?? Json["tolerance_wider_for"]?[tensor];
        if (tolerance?["exact"]?.GetValue<bool>() == true)
        {
            Assert.True((expected.to(int64) == actual.to(int64)).all().item<bool>(), $"{Name}: {tensor} is not equal");
            return;
        }
        tolerance ??= Json["tolerance"];
        double allowed = tolerance!["relative_l2"]!.GetValue<double>();
        Tensor want = expected.to(float64), got = actual.to(float64).cpu();
        if (want.numel() == 0) return;
        bool perRow = tolerance["measured"]?.GetValue<string>().Contains("per last-axis row", StringComparison.Ordinal) == true && want.dim() > 0;
        double distance = perRow ? WorstRow(got, want) : RelativeL2(got, want);
        Assert.True(distance <= allowed, $"{Name}: {tensor} is {distance:G4} away, allowed {allowed:G4}");
        if (tolerance["max_abs"] is JsonValue largest && largest.TryGetValue(out double maximum))
        {
            double difference = (got - want).abs().max().item<double>();
            Assert.True(difference <= maximum, $"{Name}: {tensor} differs by up to {difference:G4}, allowed {maximum:G4}");
        }
    }

    /// <summary>Fails unless <paramref name="actual"/>, computed in bfloat16, is within what the goldens allow for that.</summary>
    public void AssertCloseInBFloat16(string tensor, Tensor actual)
    {
        const double Tolerance = 5e-2;
        using var scope = NewDisposeScope();
        Tensor expected = Get(tensor, float64);
        Assert.Equal(expected.shape, actual.shape);
        double distance = RelativeL2(actual.to(float64).cpu(), expected);
        Assert.True(distance <= Tolerance, $"{Name}: {tensor} is {distance:G4} away in bfloat16");
    }

    private static double RelativeL2(Tensor got, Tensor want)
    {
        double norm = want.norm().item<double>(), difference = (got - want).norm().item<double>();
        return difference == 0 ? 0 : difference / norm;
    }

    // Rows with almost no norm are measured against a thousandth of the median row (goldens' README).
    private static double WorstRow(Tensor got, Tensor want)
    {
        long width = want.shape[^1];
        Tensor norms = want.reshape(-1, width).norm(1), differences = (got - want).reshape(-1, width).norm(1);
        Tensor positive = norms.masked_select(norms > 0);
        double floor = positive.numel() == 0 ? 1 : positive.median().item<double>() / 1000;
        return (differences / norms.clamp_min(floor)).max().item<double>();
    }

    // Compilers may map source paths, so the repository is found from where the tests run.
    private static string? InRepository()
    {
        for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            string goldens = Path.Combine(folder.FullName, "tests", "goldens");
            if (Directory.Exists(goldens)) return goldens;
        }
        return null;
    }

    public void Dispose()
    {
        _tensors.Dispose();
        _quiet?.Dispose();
        _scope?.Dispose();
    }
}
