using System.Text;

namespace Mural.Text;

/// <summary>A prompt and the last step, counted from 1, that it is used for.</summary>
internal readonly record struct ScheduledPrompt(int LastStep, string Text);

/// <summary>
/// A1111's prompts that change while a picture is made (spec 4.5): <c>[from:to:when]</c>, <c>[to:when]</c> and <c>[from::when]</c> change once, after a step or,
/// below 1, after that share of the steps; <c>[a|b]</c> takes turns.
/// </summary>
internal static class PromptSchedule
{
    /// <summary>The prompts in the order of their use; the last one's step is <paramref name="steps"/>.</summary>
    /// <param name="prompt">The prompt. One that this grammar does not cover, such as one with a bar outside brackets, is used as it stands.</param>
    /// <param name="steps">Steps of the run.</param>
    /// <exception cref="MuralException">The prompt is too long or opens too many brackets.</exception>
    internal static IReadOnlyList<ScheduledPrompt> Parse(string prompt, int steps)
    {
        PromptLimits.Check(prompt);
        if (PromptScheduleParser.Parse(prompt) is not { } parsed) return [new ScheduledPrompt(steps, prompt)];
        var changes = new SortedSet<int> { steps };
        parsed.AddChanges(steps, changes);
        return [.. changes.Select(step => new ScheduledPrompt(step, TextAt(parsed, step, steps)))];
    }

    private static string TextAt(PromptPart prompt, int step, int steps)
    {
        var text = new StringBuilder();
        prompt.Append(text, step, steps);
        return text.ToString();
    }
}
