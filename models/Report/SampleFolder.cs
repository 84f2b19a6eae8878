using System.Text.Json;
using System.Text.RegularExpressions;
using Mural.Checkpoints;
using Mural.Imaging;
using Mural.Training.Data;

namespace Mural.Report;

/// <summary>A folder of samples as <c>mural judge</c> reads it: each picture with its caption in a text file beside it.</summary>
internal sealed partial class SampleFolder(string path)
{
    private const string StampName = "samples.json";

    /// <summary>Paints what is not there yet. Samples of another model, or of other settings or captions, are painted anew.</summary>
    /// <param name="painter">The model.</param>
    /// <param name="captions">Pictures whose captions are painted, in the order of their seeds.</param>
    /// <param name="settings">How.</param>
    internal async Task FillAsync(IPainter painter, IReadOnlyList<PictureItem> captions, PaintSettings settings)
    {
        string stamp = JsonSerializer.Serialize(new { painter = painter.Identity, settings, captions = captions.Select(item => item.ReadCaption()) }, ConfigWriter.Indented);
        string stampFile = Path.Combine(path, StampName);
        if (!File.Exists(stampFile) || await File.ReadAllTextAsync(stampFile) != stamp)
        {
            Directory.CreateDirectory(path);
            if (!File.Exists(stampFile) && Directory.EnumerateFileSystemEntries(path).Any())
                throw new MuralException($"{path} holds other files than samples; give a folder of their own.");
            foreach (string old in Directory.GetFiles(path).Where(file => Sample().IsMatch(Path.GetFileName(file)))) File.Delete(old);
            AtomicFile.WriteText(stampFile, stamp);
        }
        for (int i = 0; i < captions.Count; i++)
        {
            string file = FileOf(i);
            if (File.Exists(file)) continue;
            await File.WriteAllTextAsync(Path.ChangeExtension(file, ".txt"), captions[i].ReadCaption());
            PictureWriter.Write(file, await painter.PaintAsync(captions[i].ReadCaption(), i, settings));
            if ((i + 1) % 16 == 0) Console.WriteLine($"{path}: {i + 1} of {captions.Count}");
        }
    }

    /// <summary>The sample of a number, with its caption.</summary>
    internal (Picture Picture, string Caption) Read(int number) => (PictureReader.Read(FileOf(number)), File.ReadAllText(Path.ChangeExtension(FileOf(number), ".txt")));

    /// <summary>How far its pictures are from those of the same numbers in another folder: the root of the mean squared difference of their channels, from 0 to 1.</summary>
    internal double DifferenceFrom(SampleFolder other) =>
        Math.Sqrt(Files.Select((file, number) => PictureDifference.MeanSquare((file, Read(number).Picture), (other.FileOf(number), other.Read(number).Picture))).DefaultIfEmpty(0).Average());

    /// <summary>Mean over its pictures of the peak signal-to-noise ratio, in dB, beside the pictures that they are to look like.</summary>
    internal double SignalToNoise(IReadOnlyList<PictureItem> originals) =>
        Files.Select((file, number) => -10 * Math.Log10(Math.Max(
            PictureDifference.MeanSquare((file, Read(number).Picture), (originals[number].File, PictureReader.Read(originals[number].File))), 1e-10))).Average();

    [GeneratedRegex(@"^\d{4}\.(png|txt)$")]
    private static partial Regex Sample();

    private IEnumerable<string> Files => Enumerable.Range(0, int.MaxValue).Select(FileOf).TakeWhile(File.Exists);

    private string FileOf(int number) => Path.Combine(path, $"{number:D4}.png");
}
