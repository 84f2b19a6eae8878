using Mural.Runtime;

namespace Mural.Cli.CommandLine;

/// <summary>The number formats by the names that options take.</summary>
internal static class PrecisionNames
{
    internal static IReadOnlyList<string> All { get; } = [.. Enum.GetValues<Precision>().Select(precision => precision.ShortName())];

    /// <summary>The format of that name; null for any other word, such as auto.</summary>
    internal static Precision? Parse(string? name)
    {
        foreach (Precision precision in Enum.GetValues<Precision>())
            if (precision.ShortName() == name) return precision;
        return null;
    }
}
