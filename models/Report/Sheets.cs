using Mural.Imaging;
using Mural.Training.Data;
using TorchSharp;

namespace Mural.Report;

/// <summary>The sheets of a model's card.</summary>
internal sealed class Sheets(IPainter painter, Captions captions, string folder)
{
    private const string SamplesName = "samples", HeldOutName = "held-out", NearestName = "nearest", LargerName = "larger";

    private const int NearestSide = 32, SeedOfNearest = 1000, SeedOfLarger = 7;

    internal static IEnumerable<string> Names => [SamplesName, HeldOutName, NearestName, LargerName];

    /// <summary>Draws those of these names, or all.</summary>
    internal async Task DrawAsync(IReadOnlyCollection<string> names)
    {
        Directory.CreateDirectory(folder);
        bool Wanted(string name) => names.Count == 0 || names.Contains(name);
        if (Wanted(SamplesName)) Write("samples.png", await SamplesAsync());
        if (Wanted(HeldOutName)) Write("held-out.png", await HeldOutAsync());
        if (Wanted(NearestName)) Write("nearest.png", await NearestAsync());
        if (!Wanted(LargerName)) return;
        if (!painter.TakesHiDiffusion) Write("upscaled.png", await UpscaledAsync());
        else foreach (int factor in (int[])[2, 4]) Write($"hidiffusion-{factor}x.jpg", await HiDiffusionAsync(factor));
    }

    private void Write(string name, Picture sheet)
    {
        string file = Path.Combine(folder, name);
        PictureWriter.Write(file, sheet);
        Console.WriteLine(file);
    }

    private Task<Picture> PaintAsync(PictureItem picture, long seed, PaintSettings? settings = null) =>
        painter.PaintAsync(picture.ReadCaption(), seed, settings ?? new PaintSettings());

    // 64 samples, one each of 64 different training captions.
    private async Task<Picture> SamplesAsync()
    {
        IReadOnlyList<PictureItem> chosen = Spread.Over(captions.Training, 64);
        var painted = new List<Picture>();
        foreach (PictureItem picture in chosen) painted.Add(await PaintAsync(picture, painted.Count));
        return new SampleGrid { Columns = 8 }.Tile(painted, [.. chosen.Select(picture => Captions.LabelOf(picture))]);
    }

    // Combinations never trained on: what the model paints, and the picture it never saw to the right of it.
    private async Task<Picture> HeldOutAsync()
    {
        var cells = new List<(Picture Picture, string Label)>();
        foreach (PictureItem picture in Spread.Over(captions.HeldOut, 32))
        {
            cells.Add((await PaintAsync(picture, cells.Count), Captions.LabelOf(picture)));
            cells.Add((PictureReader.Read(picture.File), "(never seen)"));
        }
        return Tile(8, cells);
    }

    // Samples with their closest training picture, by mean squared error over small copies.
    private async Task<Picture> NearestAsync()
    {
        PictureItem[] training = [.. captions.Training];
        float[][] known = new float[training.Length][];
        Parallel.For(0, training.Length, i => known[i] = Small(PictureReader.Read(training[i].File).ToRgb()));
        var cells = new List<(Picture Picture, string Label)>();
        foreach (PictureItem picture in Spread.Over(training, 32))
        {
            Picture sample = await PaintAsync(picture, SeedOfNearest + cells.Count);
            float[] small = Small(sample);
            PictureItem closest = training[Enumerable.Range(0, known.Length).MinBy(i => Distance(small, known[i]))];
            cells.Add((sample, Captions.LabelOf(picture)));
            cells.Add((PictureReader.Read(closest.File), "nearest: " + Captions.LabelOf(closest)));
        }
        return Tile(8, cells);
    }

    // The same captions at the trained size, twice and three times as large.
    private async Task<Picture> UpscaledAsync()
    {
        var cells = new List<(Picture Picture, string Label)>();
        foreach (PictureItem picture in Spread.Over(captions.Training, 6))
        {
            foreach (int factor in (int[])[1, 2, 3])
            {
                Picture painted = await PaintAsync(picture, SeedOfLarger, new PaintSettings(factor));
                cells.Add((painted, $"{Captions.LabelOf(picture)}, {painted.Width}x{painted.Height}"));
            }
        }
        return Tile(3, cells);
    }

    // The same captions and seeds plainly, with each part of HiDiffusion, and with both.
    private async Task<Picture> HiDiffusionAsync(int factor)
    {
        var cells = new List<(Picture Picture, string Label)>();
        foreach (PictureItem picture in Spread.Over(captions.Training, 4))
            foreach (string parts in PaintSettings.HiDiffusionNames)
                cells.Add((await PaintAsync(picture, SeedOfLarger, PaintSettings.Of(factor, parts)), $"{Captions.LabelOf(picture)}: {parts}"));
        return Tile(PaintSettings.HiDiffusionNames.Count(), cells);
    }

    private static Picture Tile(int columns, List<(Picture Picture, string Label)> cells) =>
        new SampleGrid { Columns = columns }.Tile([.. cells.Select(cell => cell.Picture)], [.. cells.Select(cell => cell.Label)]);

    private static float[] Small(Picture picture)
    {
        using var scope = torch.NewDisposeScope();
        return torch.nn.functional.adaptive_avg_pool2d(PictureTensors.FromPicture(picture), NearestSide).data<float>().ToArray();
    }

    private static double Distance(float[] a, float[] b) => a.Zip(b, (x, y) => (double)(x - y) * (x - y)).Sum();
}
