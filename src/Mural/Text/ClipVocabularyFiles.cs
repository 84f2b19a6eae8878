using System.IO.Compression;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Mural.Checkpoints;

namespace Mural.Text;

/// <summary>
/// Reads a vocabulary from a folder, in any form it is published in: <c>vocab.json</c> with <c>merges.txt</c>, <c>tokenizer.json</c>, <c>merges.txt</c>
/// alone, or the list of the original code, <c>bpe_simple_vocab_16e6.txt.gz</c>.
/// </summary>
internal static class ClipVocabularyFiles
{
    private const string VocabularyName = "vocab.json", MergesName = "merges.txt", WholeName = "tokenizer.json";

    // The released files have 2 MB at most.
    private const long LargestFile = 64L << 20;

    private static readonly string[] OriginalNames = ["bpe_simple_vocab_16e6.txt.gz", "bpe_simple_vocab_16e6.txt"];

    /// <summary>Whether the folder holds a vocabulary.</summary>
    internal static bool AreIn(string folder) => new[] { MergesName, WholeName }.Concat(OriginalNames).Any(name => File.Exists(Path.Combine(folder, name)));

    /// <exception cref="MuralException">The folder holds no vocabulary, or a malformed one.</exception>
    internal static ClipVocabulary Read(string folder)
    {
        string merges = Path.Combine(folder, MergesName), vocabulary = Path.Combine(folder, VocabularyName), whole = Path.Combine(folder, WholeName);
        if (File.Exists(merges))
            return File.Exists(vocabulary) ? new ClipVocabulary(Ids(Json(vocabulary), vocabulary), Merges(merges)) : ClipVocabulary.FromMerges(Released(merges));
        if (File.Exists(whole)) return ReadWhole(whole);
        return OriginalNames.Select(name => Path.Combine(folder, name)).FirstOrDefault(File.Exists) is { } original
            ? ClipVocabulary.FromMerges(Released(original))
            : throw new MuralException($"{folder} holds no tokenizer: {VocabularyName} and {MergesName}, or {WholeName}, were expected; copy them from the model's origin.");
    }

    /// <summary>Writes <c>vocab.json</c> and <c>merges.txt</c>, which every program reads.</summary>
    /// <exception cref="MuralException">A file cannot be written.</exception>
    internal static void Write(ClipVocabulary vocabulary, string folder)
    {
        var ids = new JsonObject();
        foreach ((string token, int id) in vocabulary.Tokens) ids[token] = id;
        AtomicFile.WriteText(Path.Combine(folder, VocabularyName), ids.ToJsonString());
        AtomicFile.WriteText(Path.Combine(folder, MergesName), "#version: 0.2\n" + string.Concat(vocabulary.Merges.Select(merge => $"{merge.Left} {merge.Right}\n")));
    }

    /// <summary>The object in a JSON file.</summary>
    /// <exception cref="MuralException">The file cannot be read or holds something else.</exception>
    internal static JsonObject Json(string path)
    {
        try
        {
            return JsonNode.Parse(Text(path)) as JsonObject ?? throw Malformed(path, "a JSON object");
        }
        catch (Exception error) when (error is JsonException or ArgumentException or InvalidOperationException)
        {
            throw Malformed(path, "a JSON object", error);
        }
    }

    /// <summary>The ids by token of a JSON object.</summary>
    internal static Dictionary<string, int> Ids(JsonObject json, string path)
    {
        var ids = new Dictionary<string, int>(StringComparer.Ordinal);
        try
        {
            foreach ((string token, JsonNode? id) in json) ids.Add(token, id!.GetValue<int>());
        }
        catch (Exception error) when (error is InvalidOperationException or FormatException or NullReferenceException or ArgumentException)
        {
            throw Malformed(path, "tokens with their ids", error);
        }
        return ids;
    }

    private static ClipVocabulary ReadWhole(string path)
    {
        JsonObject? model = Json(path)["model"] as JsonObject;
        if (model?["vocab"] is not JsonObject vocabulary || model["merges"] is not JsonArray merges) throw Malformed(path, "a byte-pair model with vocab and merges");
        // Older files write a merge as one text, newer ones as two.
        return new ClipVocabulary(Ids(vocabulary, path), merges.Select(merge => merge is JsonArray { Count: 2 } pair
            ? (pair[0]!.ToString(), pair[1]!.ToString())
            : Pair(merge?.ToString() ?? "", path)));
    }

    private static List<(string Left, string Right)> Released(string path) => [.. Merges(path).Take(ClipVocabulary.ReleasedMerges)];

    private static IEnumerable<(string Left, string Right)> Merges(string path)
    {
        bool first = true;
        foreach (string line in Text(path).Split('\n').Select(line => line.TrimEnd('\r')))
        {
            bool heading = first && line.Contains("#version", StringComparison.Ordinal);
            first = false;
            if (!heading && line.Length > 0) yield return Pair(line, path);
        }
    }

    private static (string Left, string Right) Pair(string line, string path)
    {
        int space = line.IndexOf(' ', StringComparison.Ordinal);
        return space > 0 && space < line.Length - 1 && line.LastIndexOf(' ') == space ? (line[..space], line[(space + 1)..]) : throw Malformed(path, "two tokens in each line");
    }

    private static string Text(string path)
    {
        try
        {
            using Stream file = File.OpenRead(path);
            using Stream content = path.EndsWith(".gz", StringComparison.OrdinalIgnoreCase) ? new GZipStream(file, CompressionMode.Decompress) : file;
            using var bytes = new MemoryStream();
            byte[] buffer = new byte[1 << 16];
            for (int read; (read = content.Read(buffer)) > 0;)
            {
                bytes.Write(buffer, 0, read);
                if (bytes.Length > LargestFile) throw Malformed(path, $"at most {LargestFile >> 20} MB");
            }
            bytes.Position = 0;
            using var reader = new StreamReader(bytes, Encoding.UTF8);
            return reader.ReadToEnd();
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or InvalidDataException)
        {
            throw new MuralException($"{path} cannot be read ({error.Message.TrimEnd('.')}); check the file and its permissions.", error);
        }
    }

    private static MuralException Malformed(string path, string expected, Exception? cause = null) =>
        new($"{path} is not a tokenizer's file: {expected} was expected; copy it from the model's origin again.", cause);
}
