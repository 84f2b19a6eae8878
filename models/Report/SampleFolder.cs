using Mural.Imaging;

namespace Mural.Report;

/// <summary>A folder of samples as <c>mural judge</c> reads it: each picture with its caption in a text file beside it.</summary>
internal static class SampleFolder
{
    /// <summary>Paints what is not there yet.</summary>
    internal static async Task FillAsync(string folder, IPainter painter, IReadOnlyList<ListedPicture> captions, PaintSettings settings)
    {
        Directory.CreateDirectory(folder);
        for (int i = 0; i < captions.Count; i++)
        {
            string file = FileOf(folder, i);
            if (File.Exists(file)) continue;
            await File.WriteAllTextAsync(Path.ChangeExtension(file, ".txt"), captions[i].Caption);
            PictureWriter.Write(file, await painter.PaintAsync(captions[i].Caption, i, settings));
            if ((i + 1) % 16 == 0) Console.WriteLine($"{folder}: {i + 1} of {captions.Count}");
        }
    }

    /// <summary>The sample of a number, with its caption.</summary>
    internal static (Picture Picture, string Caption) Read(string folder, int number)
    {
        string file = FileOf(folder, number);
        return (PictureReader.Read(file), File.ReadAllText(Path.ChangeExtension(file, ".txt")));
    }

    private static string FileOf(string folder, int number) => Path.Combine(folder, $"{number:D4}.png");
}
