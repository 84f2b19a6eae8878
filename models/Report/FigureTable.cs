using System.Globalization;
using System.Text;

namespace Mural.Report;

/// <summary>Judged sets as a table of Markdown.</summary>
internal static class FigureTable
{
    internal static string Markdown(IReadOnlyList<JudgedSet> sets)
    {
        var text = new StringBuilder("| samples | number | caption found among 100 | distance |\n|---|---|---|---|\n");
        foreach (JudgedSet set in sets) text.Append(CultureInfo.InvariantCulture, $"| {set.Name} | {set.Pictures} | {Share(set)} | {set.Distance:0.000} |\n");
        return text.ToString();
    }

    internal static string Share(JudgedSet set) => string.Create(CultureInfo.InvariantCulture, $"{100 * set.Found:0.0} % ± {100 * set.StandardError:0.0}");
}
