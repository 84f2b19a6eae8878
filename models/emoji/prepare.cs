#:package NetVips
#:package NetVips.Native
#:property PublishAot=false
#:property Nullable=enable

// Fetches three emoji styles from the npm registry and renders them to PNG, with one caption line a picture.

using System.Diagnostics;
using System.Formats.Tar;
using System.Globalization;
using System.IO.Compression;
using System.Security.Cryptography;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.RegularExpressions;
using NetVips;

const string Usage = """
    usage: dotnet run models/emoji/prepare.cs -- [options]
      --sizes 128,256     picture sides in pixels (default 128); above 256 only vector pictures
      --threads N         pictures rendered at once (default: processor count)
      --limit N           only N pictures, spread over all of them, for tests
      --output FOLDER     where pictures and lists go (default data/emoji)
      --cache FOLDER      where packages are kept (default OUTPUT/cache)
      --registry URL      npm registry (default: what npm is set to)
      --choose-held-out   choose held-out.txt anew instead of reading it
    """;

try
{
    return Run(args);
}
catch (Exception e) when (((e as AggregateException)?.InnerException ?? e) is Problem or IOException
    or UnauthorizedAccessException or JsonException or VipsException or InvalidDataException)
{
    Console.Error.WriteLine($"prepare: {((e as AggregateException)?.InnerException ?? e).Message.ReplaceLineEndings(" ").Trim()}");
    return 1;
}

static int Run(string[] args)
{
    string home = AppContext.GetData("EntryPointFileDirectoryPath") as string
        ?? throw new Problem("start this script with: dotnet run models/emoji/prepare.cs");
    string output = Path.Combine(home, "..", "..", "data", "emoji");
    string? cache = null, registry = null;
    int[] sizes = [128];
    int threads = Environment.ProcessorCount, limit = int.MaxValue;
    bool choose = false;

    for (int i = 0; i < args.Length; i++)
    {
        string option = args[i];
        string Value() => ++i < args.Length ? args[i] : throw new Problem($"{option} needs a value.");
        int Number(string text, int least, int most) => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int n)
            && n >= least && n <= most ? n : throw new Problem($"{option} takes whole numbers from {least} to {most}, not '{text}'.");
        switch (option)
        {
            case "--sizes": sizes = [.. Value().Split(',').Select(s => Number(s.Trim(), 16, 2048)).Distinct()]; break;
            case "--threads": threads = Number(Value(), 1, 256); break;
            case "--limit": limit = Number(Value(), 1, 1_000_000); break;
            case "--output": output = Value(); break;
            case "--cache": cache = Value(); break;
            case "--registry": registry = Value(); break;
            case "--choose-held-out": choose = true; break;
            case "--help" or "-h": Console.WriteLine(Usage); return 0;
            default: throw new Problem($"unknown option '{option}'; see --help.");
        }
    }

    output = Path.GetFullPath(output);
    cache = Path.GetFullPath(cache ?? Path.Combine(output, "cache"));
    foreach (Package package in Sources.All)
        Fetch(package, cache, registry);

    List<Picture> pictures = Catalogue.Build(cache);
    string list = Path.Combine(home, "held-out.txt");
    if (choose || !File.Exists(list))
    {
        WriteLines(list, HeldOut.Choose(pictures).Order(StringComparer.Ordinal));
        Console.WriteLine($"chose {list}");
    }

    HashSet<string> held = [.. File.ReadLines(list).Where(line => line.Length > 0)];
    if (held.Except(pictures.Select(p => p.Key)).FirstOrDefault() is { } stray)
        throw new Problem($"held-out.txt names '{stray.Replace('\t', ' ')}', which is not among the pictures.");

    // The vocabulary is that of all pictures, whatever the limit, so a test run never shrinks the committed file.
    Dictionary<string, int> counts = HeldOut.CountWords(pictures.Where(p => !held.Contains(p.Key)));
    if (pictures.SelectMany(p => p.Words).FirstOrDefault(word => !counts.ContainsKey(word)) is { } unseen)
        throw new Problem($"held-out.txt keeps every picture with the word '{unseen}' out of training.");

    WriteLines(Path.Combine(home, "vocabulary.txt"), Sources.Styles.Concat(counts.Where(pair => !Sources.Styles.Contains(pair.Key))
        .OrderByDescending(pair => pair.Value).ThenBy(pair => pair.Key, StringComparer.Ordinal).Select(pair => pair.Key)));

    // libvips threads inside one small picture cost more than they bring; the parallelism is over pictures.
    NetVips.NetVips.Concurrency = 1;
    Cache.Max = 0;
    foreach (int size in sizes)
    {
        // Enlarging a raster picture would teach blur, so those stop at the size they come in.
        List<Picture> wanted = [.. pictures.Where(p => p.Body is not null || size <= Sources.RasterSide)];
        wanted = [.. wanted.Where((_, i) => wanted.Count <= limit || (long)i * limit / wanted.Count != (i + 1L) * limit / wanted.Count)];
        RenderAll(wanted, size, threads, output);
        WriteLines(Path.Combine(output, $"{size}.jsonl"), wanted.Select(p => p.Line(size, held.Contains(p.Key))));
    }

    Console.WriteLine($"{string.Join(", ", Sources.Styles.Select(s => $"{s} {pictures.Count(p => p.Style == s)}"))}, together {pictures.Count} pictures");
    Console.WriteLine($"{pictures.Select(p => p.Name).Distinct().Count()} names, {counts.Count} words, "
        + $"{counts.Count(c => c.Value == 1)} words seen only once, {held.Count} held out");
    return 0;
}

static void Fetch(Package package, string cache, string? registry)
{
    string folder = Path.Combine(cache, $"{package.Folder}-{package.Version}");
    if (Directory.Exists(folder))
        return;

    Directory.CreateDirectory(cache);
    string tarball = folder + ".tgz";
    if (!File.Exists(tarball))
    {
        Console.WriteLine($"fetching {package.Name}@{package.Version}");
        string[] command = ["pack", $"{package.Name}@{package.Version}", "--silent", "--pack-destination", cache];
        string[] from = registry is null ? [] : ["--registry", registry];
        try
        {
            using Process npm = Process.Start(new ProcessStartInfo(OperatingSystem.IsWindows() ? "npm.cmd" : "npm", [.. command, .. from]))!;
            npm.WaitForExit();
            if (npm.ExitCode != 0 || !File.Exists(tarball))
                throw new Problem($"npm could not fetch {package.Name}@{package.Version} (exit {npm.ExitCode}); check the network and the registry.");
        }
        catch (System.ComponentModel.Win32Exception)
        {
            throw new Problem("npm was not found; install Node.js, it brings npm.");
        }
    }

    using (FileStream stream = File.OpenRead(tarball))
    {
        if (Convert.ToHexStringLower(SHA256.HashData(stream)) != package.Sha256)
            throw new Problem($"{tarball} is not the expected {package.Name}@{package.Version} (SHA-256 differs); delete it and try again.");
    }

    // Extracted beside and renamed, so a half-extracted package is never taken for a whole one.
    string beside = Directory.CreateDirectory(folder + ".part").FullName;
    using (var reader = new TarReader(new GZipStream(File.OpenRead(tarball), CompressionMode.Decompress)))
    {
        while (reader.GetNextEntry() is { } entry)
        {
            if (entry.EntryType is TarEntryType.RegularFile or TarEntryType.V7RegularFile && Regex.IsMatch(entry.Name, package.Wanted))
                entry.ExtractToFile(Path.Combine(beside, Path.GetFileName(entry.Name)), true);
        }
    }

    Directory.Move(beside, folder);
}

static void RenderAll(List<Picture> pictures, int size, int threads, string output)
{
    foreach (string style in Sources.Styles)
        Directory.CreateDirectory(Path.Combine(output, $"{size}", style));

    int done = 0;
    var clock = Stopwatch.StartNew();
    Parallel.ForEach(pictures, new ParallelOptions { MaxDegreeOfParallelism = threads }, picture =>
    {
        string path = Path.Combine(output, picture.File(size));
        if (!File.Exists(path))
        {
            Render(picture, size, path);
            if (Interlocked.Increment(ref done) is var n && n % 1000 == 0)
                Console.WriteLine($"{size} px: {n} rendered, {clock.Elapsed.TotalSeconds:0} s");
        }
    });
    Console.WriteLine($"{size} px: {done} rendered in {clock.Elapsed.TotalSeconds:0} s, {pictures.Count - done} were there");
}

static void Render(Picture picture, int size, string path)
{
    using Image loaded = picture.Body is null
        ? Image.Thumbnail(picture.Source, size, height: size)
        : Image.SvgloadBuffer(picture.Svg(size));
    using Image coloured = loaded.Bands == 4 ? loaded.Copy() : loaded.Colourspace(Enums.Interpretation.Srgb).Bandjoin(255);

    // Two flat pictures are a unit taller than wide.
    using Image square = coloured.Gravity(Enums.CompassDirection.Centre, size, size, extend: Enums.Extend.Background, background: [0, 0, 0, 0]);
    using Image image = square.CopyMemory();
    using Image alpha = image[3];
    if (image.Bands != 4 || alpha.Avg() < 1)
        throw new Problem($"{picture.Source} renders blank at {size} px.");

    image.Pngsave(path + ".part", compression: 2, keep: Enums.ForeignKeep.None);
    File.Move(path + ".part", path, true);
}

static void WriteLines(string path, IEnumerable<string> lines)
{
    File.WriteAllText(path + ".part", string.Concat(lines.Select(line => line + "\n")), new UTF8Encoding(false));
    File.Move(path + ".part", path, true);
}

sealed class Problem(string message) : Exception(message);

sealed record Package(string Name, string Version, string Sha256, string Wanted)
{
    // npm pack names the tarball this way.
    public string Folder => Name.TrimStart('@').Replace('/', '-');
}

static class Sources
{
    public const int RasterSide = 256;
    public static readonly string[] Styles = ["3d", "flat", "noto"];
    public static readonly Package Fluent3D = new("@lobehub/fluent-emoji-3d", "1.1.0",
        "c1bb7eee7de090205a232518a9ab4adb3df458bfbe8a1f78232991194c8b2e58", @"\.webp$");
    public static readonly Package FluentFlat = new("@iconify-json/fluent-emoji-flat", "1.2.6",
        "7d064769dee690815f823bc5bcc511d957198caf9f5edd8dd9c1aa48a6aeb175", @"/(icons|chars)\.json$");
    public static readonly Package Noto = new("@iconify-json/noto", "1.2.9",
        "3e918d88fc945c0bb3d468dbace6f88caef67f01c9f0e7bcae0915a042e8f1ad", @"/(icons|chars)\.json$");
    public static readonly Package Names = new("emoji-datasource", "16.0.0",
        "2006725061dc0098daa832d65f854a7bec0740af2eb47cb5b23d89f7e2c849f9", @"/emoji\.json$");
    public static readonly Package[] All = [Fluent3D, FluentFlat, Noto, Names];
}

/// <summary>One picture: Source is a WebP path, or an icon's name when Body holds its SVG content.</summary>
sealed record Picture(string Style, string Base, string[] Tones, string Source, string? Body, double Width, double Height)
{
    // "a" falls only between other words: it means something in "a button" and "letter a".
    static readonly HashSet<string> Filler = ["of", "with", "the", "and"];
    static readonly Dictionary<string, string> Natural = new()
    {
        ["mans"] = "man", ["womans"] = "woman", ["mens"] = "men", ["womens"] = "women", ["workers"] = "worker", ["e-mail"] = "email",
    };

    static readonly JsonSerializerOptions Plain = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    // Names that lose their meaning when the hyphen goes; "medium-light" tones are kept whole likewise.
    static readonly string[] Hyphenated = ["t-shirt", "t-rex", "x-ray", "yo-yo", "yin-yang", "jack-o-lantern", "e-mail"];

    public string Slug { get; } = string.Join('-', Tones.Select(t => $"{t}-skin-tone").Prepend(Base));
    public string Tone => string.Join(",", Tones);
    public string Key => $"{Style}\t{Slug}";
    public string Name => string.Join(' ', Parts(Base)) + (Tones.Length == 0 ? "" : ": " + string.Join(", ", Tones.Select(t => $"{t} skin tone")));
    public string[] Words { get; } =
    [
        .. Parts(Base).Where((w, i) => !Filler.Contains(w) && (w != "a" || i == 0 || Base.EndsWith("-a", StringComparison.Ordinal)))
            .Select(w => Natural.GetValueOrDefault(w, w)),
        .. Tones.SelectMany(t => (string[])[t, "skin", "tone"]), Style,
    ];

    static string[] Parts(string name) => Hyphenated.Contains(name) ? [name] : name.Split('-');

    public string File(int size) => $"{size}/{Style}/{Slug}.png";

    public byte[] Svg(int size)
    {
        double scale = size / Math.Max(Width, Height);
        return Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture,
            $"""<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="{Math.Round(Width * scale)}" height="{Math.Round(Height * scale)}" """
                + $"""viewBox="0 0 {Width} {Height}">{Body}</svg>"""));
    }

    public string Line(int size, bool heldOut) => JsonSerializer.Serialize(
        new { file = File(size), name = Name, style = Style, words = Words, split = heldOut ? "held-out" : "train" }, Plain);
}

static class Catalogue
{
    static readonly Dictionary<string, string> ToneOf = new()
    {
        ["1f3fb"] = "light", ["1f3fc"] = "medium-light", ["1f3fd"] = "medium", ["1f3fe"] = "medium-dark", ["1f3ff"] = "dark",
    };

    public static List<Picture> Build(string cache)
    {
        string Folder(Package p) => Path.Combine(cache, $"{p.Folder}-{p.Version}");

        // Noto's icon names are the CLDR names and cover everything but the country flags, which emoji-datasource names.
        Dictionary<string, string> names = [];
        HashSet<string> inNoto = [];
        foreach (JsonElement emoji in Read(Path.Combine(Folder(Sources.Names), "emoji.json")).EnumerateArray())
        {
            string name = emoji.GetProperty("name").GetString() ?? "";
            if (emoji.GetProperty("category").GetString() == "Flags" && name.EndsWith(" Flag", StringComparison.Ordinal))
                names[Points(emoji.GetProperty("unified").GetString()!)] = "flag-" + Slug(name[..^5]);
        }

        foreach (JsonProperty pair in Read(Path.Combine(Folder(Sources.Noto), "chars.json")).EnumerateObject())
        {
            names[Points(pair.Name)] = Slug(pair.Value.GetString()!);
            inNoto.Add(Points(pair.Name));
        }

        List<Picture> all = [];
        foreach (string file in Directory.GetFiles(Folder(Sources.Fluent3D), "*.webp").Order(StringComparer.Ordinal))
        {
            // The country flags in this package are not 3D at all: they are drawn like Noto's, which has none itself.
            string code = Path.GetFileNameWithoutExtension(file);
            bool country = names.GetValueOrDefault(Points(code), "").StartsWith("flag-", StringComparison.Ordinal) && !inNoto.Contains(Points(code));
            Add(country ? "noto" : "3d", code, file, null, Sources.RasterSide, Sources.RasterSide);
        }

        foreach ((string style, Package package) in new[] { ("flat", Sources.FluentFlat), ("noto", Sources.Noto) })
        {
            JsonElement set = Read(Path.Combine(Folder(package), "icons.json")), icons = set.GetProperty("icons");
            double Side(JsonElement icon, string side) => icon.TryGetProperty(side, out JsonElement own) || set.TryGetProperty(side, out own) ? own.GetDouble() : 16;

            // Icons without a code point are old names and hidden doubles of the others; going by code point leaves them out.
            foreach (JsonProperty pair in Read(Path.Combine(Folder(package), "chars.json")).EnumerateObject())
            {
                string source = pair.Value.GetString()!;
                if (icons.TryGetProperty(source, out JsonElement icon))
                    Add(style, pair.Name, source, icon.GetProperty("body").GetString(), Side(icon, "width"), Side(icon, "height"));
            }
        }

        // Two spellings of the same code points (with and without leading zeros) are one picture, and so is a drawing
        // that stays the same in every skin tone: the first is kept, the plainest name coming first.
        return [.. all.DistinctBy(p => p.Key).OrderBy(p => p.Tones.Length).DistinctBy(p => (p.Style, p.Base, p.Body ?? p.Source))
            .OrderBy(p => p.File(0), StringComparer.Ordinal)];

        void Add(string style, string code, string source, string? body, double width, double height)
        {
            string points = Points(code);
            string name = names.GetValueOrDefault(points) ?? throw new Problem($"no name is known for {style} {code}.");
            string[] tones = [.. points.Split('-').Where(ToneOf.ContainsKey).Select(p => ToneOf[p])];

            // The tone stands inside some names ("man-dark-skin-tone-beard") and once for two people of the same tone.
            string plain = tones.Length == 0 ? name : Regex.Replace(name, "-(?:medium-light|medium-dark|light|medium|dark)-skin-tone", "");
            all.Add(new Picture(style, plain, tones.Distinct().Count() == 1 ? [tones[0]] : tones, source, body, width, height));
        }
    }

    static JsonElement Read(string path) => JsonDocument.Parse(File.ReadAllBytes(path)).RootElement;

    // Code points as written differ in case, separators, leading zeros, variation selectors and the tag end of flags.
    static string Points(string code) => string.Join('-', code.ToLowerInvariant().Split('-', '_')
        .Select(p => p.TrimStart('0')).Where(p => p is not ("fe0f" or "e007f")));

    static string Slug(string name)
    {
        string bare = string.Concat(name.Normalize(NormalizationForm.FormD).Where(c => CharUnicodeInfo.GetUnicodeCategory(c) != UnicodeCategory.NonSpacingMark));
        return Regex.Replace(bare.ToLowerInvariant().Replace("&", "and").Replace(".", "").Replace("’", ""), "[^a-z0-9]+", "-").Trim('-');
    }
}

static class HeldOut
{
    const double Share = 0.03;

    public static Dictionary<string, int> CountWords(IEnumerable<Picture> pictures) =>
        pictures.SelectMany(p => p.Words).GroupBy(w => w).ToDictionary(g => g.Key, g => g.Count());

    /// <summary>
    /// Half of the share is (name, skin tone) kept out in every style, half is (name, style) kept out in every tone:
    /// both are combinations no training picture shows, though each part is shown.
    /// </summary>
    public static HashSet<string> Choose(List<Picture> pictures)
    {
        Dictionary<string, int> words = CountWords(pictures);
        HashSet<string> held = [];

        // Names that share one drawing (an astronaut behind a visor) would be seen in training under the other name.
        HashSet<string> names = [.. pictures.Where(p => p.Body is not null).GroupBy(p => (p.Style, p.Body))
            .Where(g => g.Count() > 1).SelectMany(g => g.Select(p => p.Base))];
        Take(p => p.Tone, p => p.Style, toned: true, pictures.Count * Share / 2);
        Take(p => p.Style, p => p.Tone, toned: false, pictures.Count * Share);
        return held;

        void Take(Func<Picture, string> kept, Func<Picture, string> over, bool toned, double until)
        {
            var groups = pictures.Where(p => !toned || p.Tones.Length > 0).GroupBy(p => $"{p.Base} {kept(p)}")
                .OrderBy(g => Convert.ToHexString(SHA256.HashData(Encoding.UTF8.GetBytes(g.Key))), StringComparer.Ordinal);
            foreach (Picture[] group in groups.Select(g => g.ToArray()))
            {
                // A name gives at most one combination, and large families (couples) none, so many names are tested.
                Dictionary<string, int> lost = CountWords(group);
                if (group.Length <= 6 && held.Count + group.Length <= until && !names.Contains(group[0].Base)
                    && lost.All(w => words[w.Key] - w.Value >= 2)
                    && group.All(p => pictures.Any(o => o.Base == p.Base && kept(o) != kept(p) && over(o) == over(p))))
                {
                    names.Add(group[0].Base);
                    held.UnionWith(group.Select(p => p.Key));
                    foreach ((string word, int count) in lost)
                        words[word] -= count;
                }
            }
        }
    }
}
