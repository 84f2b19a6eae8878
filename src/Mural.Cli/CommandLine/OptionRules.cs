using System.CommandLine;
using System.Globalization;
using System.Numerics;

namespace Mural.Cli.CommandLine;

/// <summary>What an option accepts, with the sentence that says so.</summary>
internal static class OptionRules
{
    /// <summary>Accepts only these words, shows them in the help and offers them to the shell's completion.</summary>
    internal static void TakeOneOf<T>(this Option<T> option, params string[] words) where T : class?
    {
        option.HelpName = string.Join('|', words);
        option.CompletionSources.Add(words);
        option.Validators.Add(result =>
        {
            if (result.Tokens is [{ Value: var word }] && !words.Contains(word))
                result.AddError($"{option.Name} takes {string.Join(", ", words[..^1])} or {words[^1]}, not '{word}'");
        });
    }

    /// <summary>Accepts only numbers from <paramref name="least"/> on.</summary>
    internal static void TakeAtLeast<T>(this Option<T?> option, T least) where T : struct, INumber<T> => option.Validators.Add(result =>
    {
        if (result.Tokens is [{ Value: var text }] && T.TryParse(text, CultureInfo.InvariantCulture, out T number) && !(number >= least))
            result.AddError(string.Create(CultureInfo.InvariantCulture, $"{option.Name} takes a number from {least} on, not {text}"));
    });

    /// <summary>Accepts only shares: numbers from 0 to 1.</summary>
    internal static void TakeShare(this Option<double?> option) => option.Validators.Add(result =>
    {
        if (result.Tokens is [{ Value: var text }] && double.TryParse(text, CultureInfo.InvariantCulture, out double share) && !(share >= 0 && share <= 1))
            result.AddError($"{option.Name} takes a number from 0 to 1, not {text}");
    });
}
