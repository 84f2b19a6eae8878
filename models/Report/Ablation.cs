using System.Globalization;
using System.Text;
using Mural.Imaging;
using ScottPlot;

namespace Mural.Report;

/// <summary>
/// The mixers of the LinFusion paper side by side (arXiv 2409.02097, section 3): each has a folder of samples and a judgement for each size, called <c>MIXER-1x</c>,
/// <c>MIXER-2x</c>; those of the model's own attention are called <c>teacher</c>, and the mixers are ordered by how far their pictures are from these at the largest size.
/// </summary>
internal static class Ablation
{
    private const string Teacher = "teacher";
    private const int SheetCaptions = 6;

    private static readonly int[] Factors = [1, 2];

    // What is known of a mixer at each of the sizes.
    private sealed record Row(string Mixer, IReadOnlyList<JudgedSet> Judged, IReadOnlyList<double> Differences);

    /// <summary>Writes <c>ablation.png</c>, the plot, and <c>ablation-2x.jpg</c>, the sheet, into a folder, and returns the table.</summary>
    internal static string Draw(string folder, string output)
    {
        Directory.CreateDirectory(output);
        IReadOnlyList<JudgedSet> sets = JudgedSet.ReadAll(folder);
        Row[] rows = [.. sets.Select(set => set.Name[..set.Name.LastIndexOf('-')]).Distinct()
            .Select(mixer => Read(mixer, folder, sets)).OfType<Row>().OrderBy(row => row.Differences[^1])];
        if (rows.Length == 0) throw new MuralException($"There are no judgements in '{folder}'; run ablation.sh, which makes them.");
        Plot(rows, Path.Combine(output, "ablation.png"));
        PictureWriter.Write(Path.Combine(output, "ablation-2x.jpg"), SideBySide.Sheet(rows.Select(row => (row.Mixer, Samples(folder, row.Mixer, Factors[^1]))), SheetCaptions));
        return Table(rows) + FigureTable.Note(sets);
    }

    // Null where a size is missing.
    private static Row? Read(string mixer, string folder, IReadOnlyList<JudgedSet> sets)
    {
        JudgedSet[] judged = [.. Factors.Select(factor => sets.FirstOrDefault(set => set.Name == NameOf(mixer, factor))).OfType<JudgedSet>()];
        return judged.Length < Factors.Length
            ? null
            : new Row(mixer, judged, [.. Factors.Select(factor => Samples(folder, mixer, factor).DifferenceFrom(Samples(folder, Teacher, factor)))]);
    }

    private static SampleFolder Samples(string folder, string mixer, int factor) => new(Path.Combine(folder, NameOf(mixer, factor)));

    private static string NameOf(string mixer, int factor) => $"{mixer}-{factor}x";

    private static string Table(Row[] rows)
    {
        var text = new StringBuilder("| self-attention |").AppendJoin("", Factors.Select(factor => $" from the teacher's at {factor}x |"));
        text.AppendJoin("", Factors.Select(factor => $" found at {factor}x | distance at {factor}x |"));
        text.Append("\n|---|").AppendJoin("", Factors.Select(_ => "---|---|---|")).Append('\n');
        foreach (Row row in rows)
        {
            text.Append(CultureInfo.InvariantCulture, $"| {row.Mixer} |");
            foreach (double difference in row.Differences) text.Append(CultureInfo.InvariantCulture, $" {difference:0.000} |");
            foreach (JudgedSet set in row.Judged) text.Append(CultureInfo.InvariantCulture, $" {FigureTable.Share(set)} | {FigureTable.Distance(set)} |");
            text.Append('\n');
        }
        return text.ToString();
    }

    private static void Plot(Row[] rows, string file)
    {
        using var plot = new Plot();
        double[] factors = [.. Factors.Select(factor => (double)factor)];
        foreach (Row row in rows.Where(row => row.Mixer != Teacher))
        {
            var line = plot.Add.Scatter(factors, row.Differences.ToArray());
            line.LegendText = row.Mixer;
            line.MarkerSize = 8;
            line.LineWidth = 2;
        }
        plot.Axes.Bottom.SetTicks(factors, [.. Factors.Select(factor => $"{factor}x")]);
        plot.XLabel("side of the pictures, as a multiple of the trained one");
        plot.YLabel("difference from the teacher's pictures");
        plot.ShowLegend(Alignment.UpperLeft);
        plot.SavePng(file, 1000, 600);
    }
}
