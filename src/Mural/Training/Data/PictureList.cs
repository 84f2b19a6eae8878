using System.Text.Json;

namespace Mural.Training.Data;

/// <summary>One picture of a data set.</summary>
/// <param name="File">Full path.</param>
/// <param name="Name">What it is called, for sheets and reports.</param>
/// <param name="Words">The words that it is conditioned on; one label where a folder or list gives labels.</param>
/// <param name="HeldOut">Never trained on.</param>
internal sealed record PictureItem(string File, string Name, IReadOnlyList<string> Words, bool HeldOut)
{
    // As common tools for captions name their files: beside the picture, with its name.
    private const string CaptionExtension = ".txt";

    /// <summary>What a list says is to be seen on it, or null.</summary>
    internal string? Caption { get; init; }

    /// <summary>What is to be seen on it: the list's caption, else that of a text file beside it, else its words.</summary>
    internal string ReadCaption()
    {
        string beside = Path.ChangeExtension(File, CaptionExtension);
        return Caption ?? (System.IO.File.Exists(beside) ? System.IO.File.ReadAllText(beside).Trim() : string.Join(' ', Words));
    }
}

/// <summary>Finds the pictures of a data set and what they are called.</summary>
internal static class PictureList
{
    private static readonly HashSet<string> Extensions = new(StringComparer.OrdinalIgnoreCase) { ".png", ".jpg", ".jpeg", ".webp" };

    /// <summary>Lists the pictures, always in the same order.</summary>
    /// <exception cref="MuralException">Nothing is found, or a line of the list is wrong.</exception>
    internal static List<PictureItem> Read(DataConfig config, string settingsPath)
    {
        string source = Settings.Resolve(settingsPath, (config.Folder ?? config.Index)!);
        if (config.Folder is not null && !Directory.Exists(source)) throw new MuralException($"The picture folder '{source}' does not exist; check 'data.folder'.");
        if (config.Folder is null && !File.Exists(source)) throw new MuralException($"The picture list '{source}' does not exist; check 'data.index'.");
        List<PictureItem> items = Of(source);
        if (config.HeldOut > 0 && !items.Any(i => i.HeldOut)) items = [.. items.Select(i => i with { HeldOut = Draw(i, source) < config.HeldOut })];
        if (items.All(i => i.HeldOut)) throw new MuralException($"All {items.Count} pictures of '{source}' are held out; none is left to train on.");
        return items;
    }

    /// <summary>Lists the pictures of a folder or a list, held out or not, always in the same order.</summary>
    /// <param name="source">Full path of the folder or the list.</param>
    /// <exception cref="MuralException">Nothing is found, or a line of the list is wrong.</exception>
    internal static List<PictureItem> Of(string source)
    {
        List<PictureItem> items = Directory.Exists(source) ? FromFolder(source)
            : !File.Exists(source) ? throw new MuralException($"There is no folder or list of pictures '{source}'; check the path.")
            : source.EndsWith(".csv", StringComparison.OrdinalIgnoreCase) ? FromCsv(source) : FromJsonLines(source);
        return items.Count > 0 ? items : throw new MuralException($"'{source}' holds no pictures; PNG, JPEG or WebP files are expected.");
    }

    private static List<PictureItem> FromFolder(string folder)
    {
        var items = new List<PictureItem>();
        foreach (string file in Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories)
            .Where(f => Extensions.Contains(Path.GetExtension(f))).Order(StringComparer.Ordinal))
        {
            string label = Path.GetDirectoryName(Path.GetRelativePath(folder, file))!.Replace('\\', '/');
            string[] words = label.Length == 0 ? [] : [label];
            items.Add(new PictureItem(file, Path.GetFileNameWithoutExtension(file), words, HeldOut: false));
        }
        return items;
    }

    private static List<PictureItem> FromJsonLines(string path)
    {
        var items = new List<PictureItem>();
        int number = 0;
        foreach (string line in File.ReadLines(path))
        {
            number++;
            if (string.IsNullOrWhiteSpace(line)) continue;
            try
            {
                items.Add(FromJson(path, line));
            }
            catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException or ArgumentException)
            {
                throw new MuralException(
                    $"Line {number} of '{path}' is not a JSON object with a 'file' and optional 'words', 'label', 'caption', 'name' and 'split': {e.Message}", e);
            }
        }
        return items;
    }

    private static PictureItem FromJson(string path, string line)
    {
        using JsonDocument document = JsonDocument.Parse(line);
        JsonElement entry = document.RootElement;
        string file = Text(entry.GetProperty("file"));
        string[] condition = entry.TryGetProperty("words", out JsonElement words) ? WordsOf(words)
            : entry.TryGetProperty("label", out JsonElement label) ? [label.ValueKind == JsonValueKind.Number ? label.GetRawText() : Text(label)] : [];
        string name = entry.TryGetProperty("name", out JsonElement named) ? Text(named) : Path.GetFileNameWithoutExtension(file);
        bool heldOut = entry.TryGetProperty("split", out JsonElement split) && Text(split) != "train";
        return new PictureItem(FullPath(path, file), name, condition, heldOut) { Caption = entry.TryGetProperty("caption", out JsonElement caption) ? Text(caption) : null };
    }

    private static string[] WordsOf(JsonElement words) => words.ValueKind == JsonValueKind.String ? Split(Text(words)) : [.. words.EnumerateArray().Select(Text)];

    private static string Text(JsonElement value) => value.GetString() ?? throw new InvalidOperationException("null stands where a text is expected.");

    private static string[] Split(string words) => words.Split(' ', StringSplitOptions.RemoveEmptyEntries);

    private static List<PictureItem> FromCsv(string path)
    {
        var items = new List<PictureItem>();
        using IEnumerator<string[]> lines = Csv.Read(path).GetEnumerator();
        if (!lines.MoveNext()) return items;
        string[] header = [.. lines.Current.Select(column => column.Trim())];
        int file = Array.IndexOf(header, "file"), words = Array.IndexOf(header, "words"), label = Array.IndexOf(header, "label");
        int name = Array.IndexOf(header, "name"), split = Array.IndexOf(header, "split"), caption = Array.IndexOf(header, "caption");
        if (Array.IndexOf(header, "") >= 0) throw new MuralException($"The first line of '{path}' has a column without a name; name it, or take the column out.");
        if (file < 0) throw new MuralException($"The first line of '{path}' names no column 'file'; known columns are file, words, label, caption, name and split.");
        while (lines.MoveNext())
        {
            string[] fields = lines.Current;
            if (fields.Length != header.Length)
                throw new MuralException($"'{path}' has a line of {fields.Length} fields, '{string.Join(',', fields)}', where the first line names {header.Length} columns.");
            // An empty field is none.
            string? Field(int column) => column >= 0 && fields[column].Trim() is { Length: > 0 } text ? text : null;
            string picture = Field(file)
                ?? throw new MuralException($"'{path}' has a line without a 'file', '{string.Join(',', fields)}'; name its picture, or take the line out.");
            string[] condition = Field(words) is { } several ? Split(several) : Field(label) is { } single ? [single] : [];
            string called = Field(name) ?? Path.GetFileNameWithoutExtension(picture);
            items.Add(new PictureItem(FullPath(path, picture), called, condition, Field(split) is not (null or "train")) { Caption = Field(caption) });
        }
        return items;
    }

    private static string FullPath(string list, string file) => Path.GetFullPath(file, Path.GetDirectoryName(list)!);

    // The same pictures are held out in every run: the draw depends on the picture's place alone.
    private static double Draw(PictureItem item, string source)
    {
        ulong hash = 14695981039346656037;
        foreach (char c in Path.GetRelativePath(source, item.File)) hash = (hash ^ c) * 1099511628211;
        return new SplitMix(hash).Uniform();
    }
}
