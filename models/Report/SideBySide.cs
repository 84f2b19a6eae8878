using Mural.Imaging;

namespace Mural.Report;

/// <summary>The same captions as several sets of samples show them: a row a set.</summary>
internal static class SideBySide
{
    /// <summary>The first pictures of each set, labelled with its name and their captions.</summary>
    internal static Picture Sheet(IEnumerable<(string Name, SampleFolder Samples)> sets, int captions)
    {
        var pictures = new List<Picture>();
        var labels = new List<string>();
        foreach ((string name, SampleFolder samples) in sets)
        {
            for (int number = 0; number < captions; number++)
            {
                (Picture picture, string caption) = samples.Read(number);
                pictures.Add(picture);
                labels.Add($"{name}: {caption}");
            }
        }
        return new SampleGrid { Columns = captions }.Tile(pictures, labels);
    }
}
