using Mural.Text;

namespace Mural.Pipelines;

/// <summary>How many texts a run's network calls see, told before they are encoded: the negative one and those that AND joins.</summary>
/// <param name="Most">The most of one call.</param>
/// <param name="All">Those of a call on average.</param>
/// <param name="Positives">Those of them that are followed, on average.</param>
internal readonly record struct TextCounts(int Most, double All, double Positives)
{
    /// <summary>Those of a run.</summary>
    /// <param name="plan">What is painted.</param>
    /// <param name="syntax">How its prompts are read.</param>
    internal static TextCounts Of(StableDiffusionPlan plan, PromptSyntax syntax)
    {
        double all = 0, positives = 0;
        int most = 1, begin = plan.EarlierCalls, end = begin + Math.Max(plan.Calls, 1), before = begin;
        IReadOnlyList<ScheduledPrompt> parts = TextConditioner.Scheduled(plan.Request.Prompt, plan.RunCalls, syntax);
        foreach ((int i, (int last, string text)) in parts.Index())
        {
            int until = i == parts.Count - 1 ? end : Math.Min(last, end), calls = until - before;
            if (calls <= 0) continue;
            before = until;
            IReadOnlyList<WeightedPrompt> followed = TextConditioner.Joined(text, syntax);
            // Without guidance a single prompt is followed alone, several are led away from the negative one even then.
            int together = followed.Count + (plan.ClassifierFreeScale > 1 || followed is not [{ Weight: 1 }] ? 1 : 0);
            (most, all, positives) = (Math.Max(most, together), all + calls * together, positives + calls * followed.Count);
        }
        return new TextCounts(most, all / (end - begin), positives / (end - begin));
    }
}
