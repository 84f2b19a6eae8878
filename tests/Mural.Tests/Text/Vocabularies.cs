using System.Text.Json.Nodes;
using Mural.Tests.Goldens;
using Mural.Text;

namespace Mural.Tests.Text;

/// <summary>The vocabularies that tests run on: the tiny models' and, where it is at hand, CLIP's own.</summary>
internal static class Vocabularies
{
    private const int ClipBegin = 49_406;

    private static readonly Lazy<ClipVocabulary?> Released = new(() =>
        ClipFolders.FirstOrDefault(ClipVocabularyFiles.AreIn) is { } folder ? ClipVocabularyFiles.Read(folder) : null);

    // Named, or with the golden cases.
    private static IEnumerable<string> ClipFolders =>
        new[] { Environment.GetEnvironmentVariable(ClipVocabularyLocation.Variable), Path.Combine(GoldenCase.Root, "text", "clip-vocab") }
            .Where(folder => !string.IsNullOrEmpty(folder)).OfType<string>();

    internal static string TinyFolder { get; } = Path.Combine(GoldenCase.Model("tiny-sd15"), "tokenizer");

    internal static ClipVocabulary Tiny() => ClipVocabularyFiles.Read(TinyFolder);

    /// <summary>CLIP's own vocabulary; skips the test where it is not at hand.</summary>
    internal static ClipVocabulary Clip()
    {
        Assert.SkipWhen(Released.Value is null, $"CLIP's vocabulary is not part of the repository: set {ClipVocabularyLocation.Variable} to its folder.");
        return Released.Value!;
    }

    /// <summary>The vocabulary of a case with rows of ids: CLIP's by the id that they begin with, else that of the first model that the case names.</summary>
    internal static ClipVocabulary Of(GoldenCase golden)
    {
        if (golden.Config["rows"]![0]!["ids"]![0]!.GetValue<int>() == ClipBegin) return Clip();
        string names = golden.Json["model"]!.GetValue<string>();
        return ClipVocabularyFiles.Read(names.Split(' ').Select(name => Path.Combine(GoldenCase.Model(name), "tokenizer")).First(Directory.Exists));
    }

    internal static int[] Numbers(JsonNode list) => [.. list.AsArray().Select(number => number!.GetValue<int>())];
}
