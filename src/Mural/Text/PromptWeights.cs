using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace Mural.Text;

/// <summary>Text of a prompt and what the vectors of its tokens are multiplied by.</summary>
internal readonly record struct PromptFragment(string Text, double Weight)
{
    internal const string Break = "BREAK";

    /// <summary>Whether the next fragment starts a new window. As in A1111, BREAK inside weighted brackets is a word like any other.</summary>
    internal bool IsBreak => Text == Break && Weight == -1;
}

/// <summary>
/// The weights of A1111's prompts (spec 4.5): <c>(text)</c> is multiplied by 1.1, <c>[text]</c> divided by it, <c>(text:1.3)</c> multiplied by 1.3; brackets inside each
/// other multiply, a backslash makes a bracket mean itself, and one that is never closed reaches to the end.
/// </summary>
internal static partial class PromptWeights
{
    private const double RoundFactor = 1.1, SquareFactor = 1 / 1.1;

    private const string Escapable = "\\()[]", Special = Escapable + ":";

    private static readonly SearchValues<char> SpecialCharacters = SearchValues.Create(Special);

    /// <summary>The prompt as fragments of one weight each, at least one.</summary>
    /// <exception cref="MuralException">The prompt is too long, opens too many brackets, or has a weight beyond all bounds.</exception>
    internal static IReadOnlyList<PromptFragment> Parse(string prompt)
    {
        PromptLimits.Check(prompt);
        var fragments = new List<PromptFragment>();
        var round = new Stack<int>();
        var square = new Stack<int>();
        for (int at = 0; at < prompt.Length;)
        {
            char character = prompt[at];
            if (character == '\\')
            {
                // Before anything but a bracket or another backslash, a backslash is dropped.
                int length = at + 1 < prompt.Length && Escapable.Contains(prompt[at + 1], StringComparison.Ordinal) ? 2 : 1;
                fragments.Add(new PromptFragment(prompt[(at + 1)..(at + length)], 1));
                at += length;
                continue;
            }
            string token = Token(prompt, at);
            at += token.Length;
            if (token is "(" or "[")
            {
                (token == "(" ? round : square).Push(fragments.Count);
                if (round.Count + square.Count > PromptLimits.OpenBrackets) throw PromptLimits.TooManyBrackets();
            }
            else if (round.Count > 0 && WeightOf(token) is { } weight) Multiply(fragments, round.Pop(), weight);
            else if (round.Count > 0 && token == ")") Multiply(fragments, round.Pop(), RoundFactor);
            else if (square.Count > 0 && token == "]") Multiply(fragments, square.Pop(), SquareFactor);
            else AddText(fragments, token);
        }
        foreach (int start in round) Multiply(fragments, start, RoundFactor);
        foreach (int start in square) Multiply(fragments, start, SquareFactor);
        if (fragments.Count == 0) fragments.Add(new PromptFragment("", 1));
        if (fragments.Any(fragment => !float.IsFinite((float)fragment.Weight)))
            throw new MuralException("The weights in the prompt's brackets multiply to a number beyond all bounds; give smaller ones, such as (word:1.3).");
        return Joined(fragments);
    }

    // A bracket, ":1.3)" where such a weight stands, a colon, or text up to the next of these.
    private static string Token(string prompt, int at)
    {
        if (prompt[at] == ':')
        {
            int end = at + 1;
            if (end < prompt.Length && prompt[end] is '+' or '-') end++;
            while (end < prompt.Length && (char.IsAsciiDigit(prompt[end]) || prompt[end] == '.')) end++;
            if (end < prompt.Length && prompt[end] == ')' && WeightOf(prompt[at..(end + 1)]) is not null) return prompt[at..(end + 1)];
        }
        if (Special.Contains(prompt[at], StringComparison.Ordinal)) return prompt[at..(at + 1)];
        int next = prompt.AsSpan(at).IndexOfAny(SpecialCharacters);
        return next < 0 ? prompt[at..] : prompt[at..(at + next)];
    }

    private static double? WeightOf(string token)
    {
        if (token.Length < 3 || token[0] != ':' || token[^1] != ')') return null;
        const NumberStyles Style = NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint;
        return double.TryParse(token.AsSpan(1, token.Length - 2), Style, CultureInfo.InvariantCulture, out double weight) ? weight : null;
    }

    private static void Multiply(List<PromptFragment> fragments, int start, double factor)
    {
        for (int i = start; i < fragments.Count; i++) fragments[i] = fragments[i] with { Weight = fragments[i].Weight * factor };
    }

    private static void AddText(List<PromptFragment> fragments, string text)
    {
        string[] parts = BreakWord().Split(text);
        for (int i = 0; i < parts.Length; i++)
        {
            if (i > 0) fragments.Add(new PromptFragment(PromptFragment.Break, -1));
            // White space around the word belongs to it.
            string part = i > 0 ? parts[i].TrimStart() : parts[i];
            fragments.Add(new PromptFragment(i < parts.Length - 1 ? part.TrimEnd() : part, 1));
        }
    }

    private static List<PromptFragment> Joined(List<PromptFragment> fragments)
    {
        var joined = new List<PromptFragment>();
        for (int start = 0; start < fragments.Count;)
        {
            double weight = fragments[start].Weight;
            var text = new StringBuilder();
            for (; start < fragments.Count && fragments[start].Weight == weight; start++) text.Append(fragments[start].Text);
            joined.Add(new PromptFragment(text.ToString(), weight));
        }
        return joined;
    }

    [GeneratedRegex(@"\bBREAK\b")]
    private static partial Regex BreakWord();
}
