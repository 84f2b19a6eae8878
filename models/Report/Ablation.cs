using System.Globalization;
using System.Text;
using Mural.Imaging;
using ScottPlot;

namespace Mural.Report;

/// <summary>
/// The mixers of the LinFusion paper side by side (arXiv 2409.02097, section 3): each has a folder of samples and a judgement for each size, called <c>MIXER-1x</c>,
/// <c>MIXER-2x</c>; those of the model's own attention are called <c>teacher</c>.
/// </summary>
internal static class Ablation
{
    private const int SheetCaptions = 6;

    private static readonly int[] Factors = [1, 2];

    /// <summary>Writes <c>ablation.png</c>, the plot, and <c>ablation-2x.jpg</c>, the sheet, into a folder, and returns the table.</summary>
    internal static string Draw(string folder, string output)
    {
        Directory.CreateDirectory(output);
        ILookup<string, JudgedSet> sets = JudgedSet.ReadAll(folder).ToLookup(set => set.Name);
        JudgedSet? Of(string mixer, int factor) => sets[NameOf(mixer, factor)].FirstOrDefault();
        // The nearest at the largest size first.
        string[] mixers = [.. sets.Select(set => set.Key[..set.Key.LastIndexOf('-')]).Distinct().OrderBy(mixer => Of(mixer, Factors[^1])?.Distance ?? double.MaxValue)];
        if (mixers.Length == 0) throw new MuralException($"There are no judgements in '{folder}'; run ablation.sh, which makes them.");
        Plot(mixers, Of, Path.Combine(output, "ablation.png"));
        PictureWriter.Write(Path.Combine(output, "ablation-2x.jpg"), Sheet(mixers, folder));
        return Table(mixers, Of) + FigureTable.Note(sets.SelectMany(set => set));
    }

    private static string NameOf(string mixer, int factor) => $"{mixer}-{factor}x";

    private static string Table(string[] mixers, Func<string, int, JudgedSet?> of)
    {
        var text = new StringBuilder("| self-attention |").AppendJoin("", Factors.Select(factor => $" found at {factor}x | distance at {factor}x |"));
        text.Append("\n|---|").AppendJoin("", Factors.Select(_ => "---|---|")).Append('\n');
        foreach (string mixer in mixers)
        {
            text.Append(CultureInfo.InvariantCulture, $"| {mixer} |");
            foreach (int factor in Factors)
                text.Append(of(mixer, factor) is { } set ? string.Create(CultureInfo.InvariantCulture, $" {FigureTable.Share(set)} | {FigureTable.Distance(set)} |") : " | |");
            text.Append('\n');
        }
        return text.ToString();
    }

    private static void Plot(string[] mixers, Func<string, int, JudgedSet?> of, string file)
    {
        using var plot = new Plot();
        foreach (string mixer in mixers)
        {
            JudgedSet[] judged = [.. Factors.Select(factor => of(mixer, factor)).OfType<JudgedSet>()];
            if (judged.Length != Factors.Length) continue;
            var line = plot.Add.Scatter([.. Factors.Select(factor => (double)factor)], judged.Select(set => set.Distance).ToArray());
            line.LegendText = mixer;
            line.MarkerSize = 8;
            line.LineWidth = 2;
        }
        plot.Axes.Bottom.SetTicks([.. Factors.Select(factor => (double)factor)], [.. Factors.Select(factor => $"{factor}x")]);
        plot.XLabel("side of the pictures, as a multiple of the trained one");
        plot.YLabel("distance to real pictures");
        plot.ShowLegend(Alignment.UpperLeft);
        plot.SavePng(file, 1000, 600);
    }

    // A row each, at the largest size.
    private static Picture Sheet(string[] mixers, string folder)
    {
        var pictures = new List<Picture>();
        var labels = new List<string>();
        foreach (string mixer in mixers)
        {
            for (int number = 0; number < SheetCaptions; number++)
            {
                (Picture picture, string caption) = new SampleFolder(Path.Combine(folder, NameOf(mixer, Factors[^1]))).Read(number);
                pictures.Add(picture);
                labels.Add($"{mixer}: {caption}");
            }
        }
        return new SampleGrid { Columns = SheetCaptions }.Tile(pictures, labels);
    }
}
