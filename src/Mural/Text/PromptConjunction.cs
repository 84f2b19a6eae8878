using System.Globalization;
using System.Text.RegularExpressions;

namespace Mural.Text;

/// <summary>One of the prompts that AND joins, and how strongly it guides.</summary>
internal readonly record struct WeightedPrompt(string Text, double Weight);

/// <summary>
/// A1111's prompts joined by AND (spec 4.5), <c>a house AND snow :0.5</c>: the prediction is that of the negative prompt plus each prompt's difference to it times
/// its weight.
/// </summary>
internal static partial class PromptConjunction
{
    /// <summary>The prompts, at least one; white space before a prompt is kept.</summary>
    /// <exception cref="MuralException">The prompt is too long.</exception>
    internal static IReadOnlyList<WeightedPrompt> Split(string prompt)
    {
        PromptLimits.Check(prompt);
        return [.. AndWord().Split(prompt).Select(Weigh)];
    }

    private static WeightedPrompt Weigh(string prompt)
    {
        string text = prompt.TrimEnd();
        int colon = text.LastIndexOf(':');
        string number = text[(colon + 1)..].TrimStart();
        return colon >= 0 && Number().IsMatch(number)
            ? new WeightedPrompt(text[..colon].TrimEnd(), double.Parse(number, NumberStyles.Float, CultureInfo.InvariantCulture))
            : new WeightedPrompt(text, 1);
    }

    [GeneratedRegex(@"\bAND\b")]
    private static partial Regex AndWord();

    [GeneratedRegex(@"^[-+]?([0-9]+\.?|[0-9]*\.[0-9]+)\z")]
    private static partial Regex Number();
}
