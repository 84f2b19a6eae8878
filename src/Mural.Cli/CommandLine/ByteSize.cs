using System.CommandLine;
using System.Globalization;
using System.Text.RegularExpressions;

namespace Mural.Cli.CommandLine;

/// <summary>A number of bytes as people write it: 500MB, 2GB, 1.5GiB.</summary>
internal static partial class ByteSize
{
    private const string Units = "KMGT";

    /// <summary>An option that takes one.</summary>
    internal static Option<long?> Option(string name, string description) => new(name)
    {
        Description = description,
        HelpName = "SIZE",
        CustomParser = result =>
        {
            string text = result.Tokens[0].Value;
            if (TryParse(text, out long bytes)) return bytes;
            result.AddError($"{name} takes a size such as 500MB or 2GB, not '{text}'");
            return null;
        },
    };

    /// <summary>Reads one; units count in thousands, or in 1024s where they are written with an i.</summary>
    internal static bool TryParse(string text, out long bytes)
    {
        bytes = 0;
        if (Parts().Match(text.Trim()) is not { Success: true } match) return false;
        double size = double.Parse(match.Groups["number"].ValueSpan, CultureInfo.InvariantCulture);
        string unit = match.Groups["unit"].Value.ToUpperInvariant();
        if (unit.Length > 0) size *= Math.Pow(match.Groups["binary"].Success ? 1024 : 1000, Units.IndexOf(unit[0], StringComparison.Ordinal) + 1);
        if (!(size >= 1 && size < long.MaxValue)) return false;
        bytes = (long)size;
        return true;
    }

    [GeneratedRegex(@"^(?<number>\d+(\.\d+)?)\s*((?<unit>[KMGT])(?<binary>i)?)?B?$", RegexOptions.IgnoreCase)]
    private static partial Regex Parts();
}
