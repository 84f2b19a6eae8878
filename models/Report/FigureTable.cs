using System.Globalization;
using System.Text;

namespace Mural.Report;

/// <summary>Judged sets as a table of Markdown.</summary>
internal static class FigureTable
{
    internal static string Markdown(IReadOnlyList<JudgedSet> sets)
    {
        var text = new StringBuilder("| samples | number | caption found among 100 | distance |\n|---|---|---|---|\n");
        foreach (JudgedSet set in sets) text.Append(CultureInfo.InvariantCulture, $"| {set.Name} | {set.Pictures} | {Share(set)} | {Distance(set)} |\n");
        return text.Append(Note(sets)).ToString();
    }

    internal static string Distance(JudgedSet set) => string.Create(CultureInfo.InvariantCulture, $"{set.Distance:0.000}{(IsFew(set) ? "*" : "")}");

    /// <summary>What the stars mean, or nothing where there are none.</summary>
    internal static string Note(IEnumerable<JudgedSet> sets) => sets.Any(IsFew)
        ? "\n\\* of fewer pictures than features: too large, and comparable only with that of as many pictures\n"
        : "";

    private static bool IsFew(JudgedSet set) => set.Pictures <= set.Features;

    internal static string Share(JudgedSet set) => string.Create(CultureInfo.InvariantCulture, $"{100 * set.Found:0.0} % ± {100 * set.StandardError:0.0}");
}
