#:project ../../src/Mural/Mural.csproj
#:property PublishAot=false
#:property Nullable=enable
#:property InvariantGlobalization=true

// Draws the sheets of the model card: samples, held-out combinations, nearest training pictures, upsampled pictures.

using System.Text.Json;
using Mural;
using Mural.Imaging;
using Mural.Pipelines;
using TorchSharp;

const string Usage = """
    usage: dotnet run -c Release models/emoji/report.cs -- [options]
      --model FOLDER    the model (default models/emoji)
      --data FILE       picture list that prepare.cs made (default data/emoji/128.jsonl)
      --output FOLDER   where the sheets go (default models/emoji/sheets)
      --only NAME       samples, held-out, nearest or upscaled
    """;

try
{
    string model = Option("--model") ?? "models/emoji", data = Option("--data") ?? "data/emoji/128.jsonl", output = Option("--output") ?? "models/emoji/sheets";
    string? only = Option("--only");
    if (args.Contains("--help"))
    {
        Console.WriteLine(Usage);
        return 0;
    }
    Directory.CreateDirectory(output);
    List<Entry> entries = Read(data);
    await using DiMPipeline pipeline = await DiMPipeline.LoadAsync(model, new DiMPipelineOptions { BatchSize = 16 });
    foreach ((string name, Func<DiMPipeline, List<Entry>, Task<Picture>> draw) in new (string, Func<DiMPipeline, List<Entry>, Task<Picture>>)[]
        { ("samples", Samples), ("held-out", HeldOut), ("nearest", Nearest), ("upscaled", Upscaled) })
    {
        if (only is not null && only != name) continue;
        string path = Path.Combine(output, name + ".png");
        PictureWriter.Write(path, await draw(pipeline, entries));
        Console.WriteLine(path);
    }
    return 0;
}
catch (Exception e) when (e is MuralException or IOException or JsonException)
{
    Console.Error.WriteLine($"report: {e.Message}");
    return 1;
}

string? Option(string name)
{
    int at = Array.IndexOf(args, name);
    return at >= 0 && at + 1 < args.Length ? args[at + 1] : null;
}

static List<Entry> Read(string list)
{
    string folder = Path.GetDirectoryName(Path.GetFullPath(list))!;
    return [.. File.ReadLines(list).Where(line => line.Length > 0).Select(line =>
    {
        using JsonDocument document = JsonDocument.Parse(line);
        JsonElement entry = document.RootElement;
        string[] words = [.. entry.GetProperty("words").EnumerateArray().Select(w => w.GetString()!)];
        return new Entry(Path.Combine(folder, entry.GetProperty("file").GetString()!), entry.GetProperty("name").GetString()!, words, entry.GetProperty("split").GetString() == "train");
    })];
}

static List<Entry> Spread(IReadOnlyList<Entry> all, int count) => [.. Enumerable.Range(0, Math.Min(count, all.Count)).Select(i => all[(int)((i + 0.5) * all.Count / Math.Min(count, all.Count))])];

static async Task<Picture> Paint(DiMPipeline pipeline, Entry entry, ulong seed, int upscale = 1) =>
    (await pipeline.GenerateAsync(new DiMRequest { Prompt = string.Join(' ', entry.Words), Seed = seed, Upscale = upscale }))[0].Picture;

static string Label(Entry entry) => $"{entry.Name}, {entry.Words[^1]}";

// 64 samples, one each of 64 different training captions.
static async Task<Picture> Samples(DiMPipeline pipeline, List<Entry> entries)
{
    List<Entry> chosen = Spread([.. entries.Where(e => e.Train)], 64);
    var pictures = new List<Picture>();
    foreach (Entry entry in chosen) pictures.Add(await Paint(pipeline, entry, (ulong)pictures.Count));
    return new SampleGrid { Columns = 8 }.Tile(pictures, [.. chosen.Select(Label)]);
}

// Combinations never trained on: what the model paints, and the picture it never saw to the right of it.
static async Task<Picture> HeldOut(DiMPipeline pipeline, List<Entry> entries)
{
    var pictures = new List<Picture>();
    var labels = new List<string>();
    foreach (Entry entry in Spread([.. entries.Where(e => !e.Train)], 32))
    {
        pictures.Add(await Paint(pipeline, entry, (ulong)pictures.Count));
        pictures.Add(PictureReader.Read(entry.File).ToRgb());
        labels.Add(Label(entry));
        labels.Add("(never seen)");
    }
    return new SampleGrid { Columns = 8 }.Tile(pictures, labels);
}

// Samples with their closest training picture, by mean squared error over pictures shrunk to 32x32.
static async Task<Picture> Nearest(DiMPipeline pipeline, List<Entry> entries)
{
    List<Entry> training = [.. entries.Where(e => e.Train)];
    float[][] known = new float[training.Count][];
    Parallel.For(0, training.Count, i => known[i] = Small(PictureReader.Read(training[i].File).ToRgb()));
    var pictures = new List<Picture>();
    var labels = new List<string>();
    foreach (Entry entry in Spread(training, 32))
    {
        Picture sample = await Paint(pipeline, entry, (ulong)(1000 + pictures.Count));
        float[] small = Small(sample);
        int closest = Enumerable.Range(0, known.Length).MinBy(i => Distance(small, known[i]));
        pictures.Add(sample);
        pictures.Add(PictureReader.Read(training[closest].File).ToRgb());
        labels.Add(Label(entry));
        labels.Add("nearest: " + Label(training[closest]));
    }
    return new SampleGrid { Columns = 8 }.Tile(pictures, labels);
}

// The same captions at the trained size, twice and three times as large.
static async Task<Picture> Upscaled(DiMPipeline pipeline, List<Entry> entries)
{
    const int Side = 384;
    var pictures = new List<Picture>();
    var labels = new List<string>();
    foreach (Entry entry in Spread([.. entries.Where(e => e.Train)], 6))
    {
        foreach (int factor in (int[])[1, 2, 3])
        {
            Picture cell = Picture.Filled(Side, Side, Rgb.White), painted = await Paint(pipeline, entry, 7, factor);
            cell.Paste(painted, (Side - painted.Width) / 2, (Side - painted.Height) / 2);
            pictures.Add(cell);
            labels.Add($"{Label(entry)}, {painted.Width}x{painted.Height}");
        }
    }
    return new SampleGrid { Columns = 3 }.Tile(pictures, labels);
}

static float[] Small(Picture picture)
{
    using var scope = torch.NewDisposeScope();
    torch.Tensor shrunk = torch.nn.functional.adaptive_avg_pool2d(PictureTensors.FromPicture(picture), 32);
    return shrunk.data<float>().ToArray();
}

static double Distance(float[] a, float[] b)
{
    double sum = 0;
    for (int i = 0; i < a.Length; i++) sum += (a[i] - b[i]) * (a[i] - b[i]);
    return sum;
}

internal sealed record Entry(string File, string Name, string[] Words, bool Train);
