using System.Globalization;
using System.Text.RegularExpressions;

namespace Mural.Text;

/// <summary>Reads the grammar of <see cref="PromptSchedule"/> by recursive descent; what was found at a bracket is remembered, so that time grows with length only.</summary>
internal sealed partial class PromptScheduleParser
{
    private readonly string _text;
    private readonly Dictionary<int, (PromptPart Part, int End)?> _groups = [];
    private int _depth;

    private PromptScheduleParser(string text) => _text = text;

    /// <summary>The prompt's parts, or null where the grammar does not cover it: a bar outside brackets, a backslash before nothing.</summary>
    /// <exception cref="MuralException">Too many brackets are open at once.</exception>
    internal static PromptPart? Parse(string text)
    {
        var parser = new PromptScheduleParser(text);
        var parts = new List<PromptPart>();
        for (int at = 0; at < text.Length;)
        {
            (PromptPart part, int end) = parser.Prompt(at);
            if (end == at)
            {
                // A bracket or colon that belongs to no group means itself.
                if (!"[]():".Contains(text[at], StringComparison.Ordinal)) return null;
                part = new FixedText(text[at].ToString());
                end++;
            }
            parts.Add(part);
            at = end;
        }
        return new PartSequence(parts);
    }

    // Plain text and whole groups, as far as they go.
    private (PromptPart Part, int End) Prompt(int start)
    {
        var parts = new List<PromptPart>();
        int at = start;
        while (at < _text.Length)
        {
            int plain = PlainEnd(at);
            if (plain > at)
            {
                parts.Add(new FixedText(_text[at..plain]));
                at = plain;
            }
            else if (_text[at] is '[' or '(' && Group(at) is var (part, end))
            {
                parts.Add(part);
                at = end;
            }
            else
            {
                break;
            }
        }
        return (new PartSequence(parts), at);
    }

    private int PlainEnd(int at)
    {
        while (at < _text.Length && !"[]():|".Contains(_text[at], StringComparison.Ordinal))
        {
            if (_text[at] == '\\' && (at + 1 == _text.Length || _text[at + 1] == '\n')) break;
            at += _text[at] == '\\' ? 2 : 1;
        }
        return at;
    }

    private (PromptPart Part, int End)? Group(int start)
    {
        if (_groups.TryGetValue(start, out (PromptPart, int)? known)) return known;
        if (++_depth > PromptLimits.OpenBrackets) throw PromptLimits.TooManyBrackets();
        (PromptPart, int)? found = _text[start] == '(' ? Round(start) : Square(start);
        _depth--;
        return _groups[start] = found;
    }

    // (prompt) or (prompt:prompt): weights, which are kept as they are.
    private (PromptPart Part, int End)? Round(int start)
    {
        (PromptPart first, int at) = Prompt(start + 1);
        if (Is(at, ')')) return (Framed("(", first, ")"), at + 1);
        if (!Is(at, ':')) return null;
        (PromptPart second, int end) = Prompt(at + 1);
        return Is(end, ')') ? (Framed("(", first, ":", second, ")"), end + 1) : null;
    }

    private (PromptPart Part, int End)? Square(int start)
    {
        (PromptPart first, int at) = Prompt(start + 1);
        if (Is(at, ']')) return (Framed("[", first, "]"), at + 1);
        if (Is(at, '|')) return Alternatives(first, at);
        if (!Is(at, ':')) return null;
        if (WhenAt(at + 1) is var (when, end)) return (new ChangingText(new FixedText(""), first, when), end);
        (PromptPart second, int next) = Prompt(at + 1);
        return Is(next, ':') && WhenAt(next + 1) is var (changed, last) ? (new ChangingText(first, second, changed), last) : null;
    }

    private (PromptPart Part, int End)? Alternatives(PromptPart first, int at)
    {
        var turns = new List<PromptPart> { first };
        while (Is(at, '|'))
        {
            (PromptPart turn, int end) = Prompt(at + 1);
            turns.Add(turn);
            at = end;
        }
        return Is(at, ']') ? (new AlternatingText(turns), at + 1) : null;
    }

    // A number and the bracket that closes the group.
    private (double When, int End)? WhenAt(int at)
    {
        Match match = Number().Match(_text, at);
        return match.Success ? (double.Parse(match.Groups[1].ValueSpan, NumberStyles.Float, CultureInfo.InvariantCulture), at + match.Length) : null;
    }

    private bool Is(int at, char character) => at < _text.Length && _text[at] == character;

    private static PartSequence Framed(params object[] parts) => new([.. parts.Select(part => part as PromptPart ?? new FixedText((string)part))]);

    [GeneratedRegex(@"\G\s*([-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?)\s*\]")]
    private static partial Regex Number();
}
