using Mural.Text;

namespace Mural.Pipelines;

/// <summary>How many texts each network call of a run sees, told before they are encoded: the negative one and those that AND joins.</summary>
/// <param name="All">All of them.</param>
/// <param name="Positives">Those of them that are followed.</param>
internal readonly record struct TextCounts(int All, int Positives)
{
    /// <summary>Those of a run.</summary>
    /// <param name="plan">What is painted.</param>
    /// <param name="syntax">How its prompts are read.</param>
    internal static TextCounts Of(StableDiffusionPlan plan, PromptSyntax syntax)
    {
        IReadOnlyList<WeightedPrompt> followed = TextConditioner.Joined(plan.Request.Prompt, syntax);
        return new TextCounts(followed.Count + (TextConditioner.IsGuided(plan, followed) ? 1 : 0), followed.Count);
    }
}
