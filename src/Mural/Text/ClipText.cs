using System.Globalization;
using System.Text;

namespace Mural.Text;

/// <summary>How CLIP's tokenizer cleans a text and cuts it into pieces before byte pairs are merged (spec 4.4).</summary>
internal static class ClipText
{
    // Unicode's only letter whose lower case takes two characters: an i with a dot of its own.
    private const int CapitalDottedI = 0x130;

    private static readonly string[] Contractions = ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d"];

    private enum Kind
    {
        Space,
        Letter,
        Number,
        Other,
    }

    /// <summary>Normalisation form C, then lower case letter by letter. Surrogates without their partner become U+FFFD.</summary>
    internal static string Clean(string text)
    {
        var result = new StringBuilder(text.Length);
        Span<char> units = stackalloc char[2];
        foreach (Rune rune in UnicodeNfc.Normalize(text).EnumerateRunes())
        {
            if (rune.Value == CapitalDottedI) result.Append("i\u0307");
            else result.Append(units[..Rune.ToLowerInvariant(rune).EncodeToUtf16(units)]);
        }
        return result.ToString();
    }

    /// <summary>
    /// The pieces of a cleaned text: contractions such as <c>'ll</c>, runs of letters, single digits, runs of anything else; white space only separates.
    /// </summary>
    internal static IEnumerable<string> Split(string text)
    {
        for (int start = 0; start < text.Length;)
        {
            (Kind kind, int end) = Next(text, start);
            if (kind != Kind.Space)
            {
                if (Contraction(text, start) is { } contraction) end = start + contraction.Length;
                else if (kind != Kind.Number) end = RunEnd(text, end, kind);
                yield return text[start..end];
            }
            start = end;
        }
    }

    private static string? Contraction(string text, int start) =>
        text[start] != '\'' ? null : Contractions.FirstOrDefault(ending => string.CompareOrdinal(text, start, ending, 0, ending.Length) == 0);

    private static int RunEnd(string text, int end, Kind kind)
    {
        while (end < text.Length)
        {
            (Kind next, int after) = Next(text, end);
            if (next != kind) break;
            end = after;
        }
        return end;
    }

    private static (Kind Kind, int End) Next(string text, int start)
    {
        Rune.DecodeFromUtf16(text.AsSpan(start), out Rune rune, out int length);
        return (KindOf(rune), start + length);
    }

    private static Kind KindOf(Rune rune)
    {
        if (Rune.IsWhiteSpace(rune)) return Kind.Space;
        return Rune.GetUnicodeCategory(rune) switch
        {
            UnicodeCategory.UppercaseLetter or UnicodeCategory.LowercaseLetter or UnicodeCategory.TitlecaseLetter
                or UnicodeCategory.ModifierLetter or UnicodeCategory.OtherLetter => Kind.Letter,
            UnicodeCategory.DecimalDigitNumber or UnicodeCategory.LetterNumber or UnicodeCategory.OtherNumber => Kind.Number,
            _ => Kind.Other,
        };
    }
}
