using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using Mural.Imaging;

namespace Mural.Cli.Painting;

/// <summary>The files that pictures go to.</summary>
internal static partial class OutputNames
{
    /// <summary>
    /// One name a seed. <c>{n}</c> in the pattern stands for the picture's number and <c>{seed}</c> for its seed; where several pictures
    /// meet a pattern with neither, their numbers are added to the name, so that none replaces another.
    /// </summary>
    /// <param name="pattern">The pattern.</param>
    /// <param name="seeds">The pictures' seeds.</param>
    /// <param name="large">Whether TIFF is written too, which holds pictures of any size.</param>
    /// <exception cref="MuralException">The pattern has another placeholder, or no extension of a picture.</exception>
    internal static string[] Of(string pattern, IReadOnlyList<ulong> seeds, bool large = false)
    {
        if (!(large && PictureRows.IsTiff(pattern))) _ = PictureFormats.FromExtension(pattern);
        if (Placeholder().Matches(pattern).Select(match => match.Value).FirstOrDefault(word => word is not ("{n}" or "{seed}")) is { } unknown)
            throw new MuralException($"The output {pattern} has {unknown}, but only {{n}} and {{seed}} are known.");
        if (seeds.Count > 1 && !Placeholder().IsMatch(pattern))
            pattern = $"{pattern[..^Path.GetExtension(pattern).Length]}-{{n}}{Path.GetExtension(pattern)}";
        int digits = seeds.Count.ToString(CultureInfo.InvariantCulture).Length;
        return
        [
            .. seeds.Select((seed, index) => pattern
                .Replace("{n}", (index + 1).ToString($"D{digits}", CultureInfo.InvariantCulture), StringComparison.Ordinal)
                .Replace("{seed}", seed.ToString(CultureInfo.InvariantCulture), StringComparison.Ordinal)),
        ];
    }

    /// <summary>The pattern where none is given: the prompt's letters and the seed.</summary>
    internal static string FromPrompt(string prompt)
    {
        const int longest = 60;
        var name = new StringBuilder();
        foreach (char letter in prompt.ToLowerInvariant())
        {
            if (char.IsAsciiLetterOrDigit(letter)) name.Append(letter);
            else if (name.Length > 0 && name[^1] != '-') name.Append('-');
            if (name.Length == longest) break;
        }
        string words = name.ToString().Trim('-');
        return $"{(words.Length > 0 ? words : "picture")}-{{seed}}.png";
    }

    [GeneratedRegex(@"\{[^{}]*\}")]
    private static partial Regex Placeholder();
}
