using System.Text.Json.Nodes;

namespace Mural.Tests.Goldens;

/// <summary>A file of torch.save in the golden area <c>dim</c>, as a list beside it describes it: the file's name, and what is expected of it.</summary>
internal sealed class GoldenTorchFile
{
    private readonly string _folder;

    private GoldenTorchFile(string list, string file)
    {
        _folder = System.IO.Path.GetDirectoryName(System.IO.Path.Combine(GoldenCase.Root, list))!;
        Path = System.IO.Path.Combine(_folder, file);
        About = Entries(list)[file]!;
    }

    internal string Path { get; }

    internal JsonNode About { get; }

    /// <summary>The file with the same tensors, where the list names one.</summary>
    internal string? Contents => About["contents"]?.GetValue<string>() is { } text ? System.IO.Path.Combine(_folder, text.Split(',', ' ')[0]) : null;

    internal static GoldenTorchFile Open(string list, string file) => new(list, file);

    /// <summary>List and name of every file that <paramref name="accepts"/> recognises by its entry.</summary>
    internal static TheoryData<string, string> Names(Func<JsonObject, bool> accepts)
    {
        var names = new TheoryData<string, string>();
        string area = System.IO.Path.Combine(GoldenCase.Root, "dim");
        if (!Directory.Exists(area)) return names;
        foreach (string path in Directory.GetFiles(area, "*.json", SearchOption.AllDirectories).Order(StringComparer.Ordinal))
        {
            string list = System.IO.Path.GetRelativePath(GoldenCase.Root, path);
            foreach ((string file, JsonNode? about) in Entries(list))
                if (about is JsonObject entry && entry["expect"] is not null && accepts(entry)) names.Add(list, file);
        }
        return names;
    }

    private static JsonObject Entries(string list) => GoldenCase.ReadJson(System.IO.Path.Combine(GoldenCase.Root, list));
}
