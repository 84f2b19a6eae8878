using System.CommandLine;
using System.CommandLine.Parsing;

namespace Mural.Cli.CommandLine;

/// <summary>Says in one sentence what is wrong with a command line and, where a word was mistyped, what was probably meant.</summary>
internal static class UsageProblem
{
    internal static string Describe(ParseResult parsed)
    {
        Command command = parsed.CommandResult.Command;
        string help = $"see {CommandPath(parsed.CommandResult)} --help";
        if (parsed.UnmatchedTokens is [{ } word, ..])
        {
            string? meant = Closest(word, Names(parsed.CommandResult, word.StartsWith('-')));
            string kind = word.StartsWith('-') ? "an option" : command.Subcommands.Count > 0 ? "a command" : "an argument";
            return meant is null
                ? $"'{word}' is not {kind} of {CommandPath(parsed.CommandResult)}; {help}."
                : $"'{word}' is not {kind} of {CommandPath(parsed.CommandResult)}; did you mean '{meant}'?";
        }

        ParseError error = parsed.Errors[0];
        SymbolResult? symbol = error.SymbolResult is ArgumentResult { Parent: OptionResult parent } ? parent : error.SymbolResult;
        if (symbol is OptionResult { Tokens: [{ } given] } option && Expectation(option.Option.ValueType) is { } expected)
            return error.Message.StartsWith("Cannot parse", StringComparison.Ordinal)
                ? $"{option.Option.Name} takes {expected}, not '{given.Value}'; {help}."
                : Sentence(error.Message, help);
        if (symbol is OptionResult { Tokens: [] } empty && empty.Option.Arity.MinimumNumberOfValues > 0)
            return $"{empty.Option.Name} needs a value; {help}.";
        if (symbol is CommandResult && command.Subcommands.Count > 0 && command.Action is null)
            return $"{CommandPath(parsed.CommandResult)} needs a command: {string.Join(", ", command.Subcommands.Where(c => !c.Hidden).Select(c => c.Name))}; {help}.";
        return Sentence(error.Message, help);
    }

    private static string Sentence(string message, string help) => $"{message.Trim().TrimEnd('.', '?')}; {help}.";

    private static string? Expectation(Type type)
    {
        Type plain = Nullable.GetUnderlyingType(type) ?? type;
        return plain == typeof(int) || plain == typeof(long) || plain == typeof(ulong) ? "a whole number"
            : plain == typeof(double) || plain == typeof(float) ? "a number"
            : plain == typeof(bool) ? "true or false" : null;
    }

    private static string CommandPath(CommandResult result) =>
        result.Parent is CommandResult parent ? $"{CommandPath(parent)} {result.Command.Name}" : "mural";

    private static IEnumerable<string> Names(CommandResult result, bool options)
    {
        if (!options) return result.Command.Subcommands.Where(c => !c.Hidden).Select(c => c.Name);
        IEnumerable<string> own = result.Command.Options.Where(o => !o.Hidden).SelectMany(o => o.Aliases.Prepend(o.Name));
        return result.Parent is CommandResult parent ? own.Concat(Names(parent, options)) : own;
    }

    // A third of the letters may differ: enough for a typo, too little to turn one word into another.
    private static string? Closest(string word, IEnumerable<string> names) => names
        .Select(name => (name, distance: EditDistance(word, name)))
        .Where(pair => pair.distance <= Math.Max(1, pair.name.Length / 3))
        .OrderBy(pair => pair.distance)
        .Select(pair => pair.name)
        .FirstOrDefault();

    /// <summary>Letters to insert, delete, replace or swap with a neighbour until the words are equal.</summary>
    internal static int EditDistance(string a, string b)
    {
        var distance = new int[a.Length + 1, b.Length + 1];
        for (int i = 0; i <= a.Length; i++) distance[i, 0] = i;
        for (int j = 0; j <= b.Length; j++) distance[0, j] = j;
        for (int i = 1; i <= a.Length; i++)
        {
            for (int j = 1; j <= b.Length; j++)
            {
                int cost = a[i - 1] == b[j - 1] ? 0 : 1;
                distance[i, j] = Math.Min(Math.Min(distance[i - 1, j] + 1, distance[i, j - 1] + 1), distance[i - 1, j - 1] + cost);
                if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                    distance[i, j] = Math.Min(distance[i, j], distance[i - 2, j - 2] + 1);
            }
        }
        return distance[a.Length, b.Length];
    }
}
