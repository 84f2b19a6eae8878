using System.Text;

namespace Mural.Text;

/// <summary>A part of a prompt whose text may depend on the step.</summary>
internal abstract record PromptPart
{
    internal abstract void Append(StringBuilder text, int step, int steps);

    /// <summary>Adds the steps after which the text changes.</summary>
    internal abstract void AddChanges(int steps, ISet<int> changes);
}

/// <summary>The same text at every step.</summary>
internal sealed record FixedText(string Text) : PromptPart
{
    internal override void Append(StringBuilder text, int step, int steps) => text.Append(Text);

    internal override void AddChanges(int steps, ISet<int> changes) { }
}

/// <summary>Parts one after the other.</summary>
internal sealed record PartSequence(IReadOnlyList<PromptPart> Parts) : PromptPart
{
    internal override void Append(StringBuilder text, int step, int steps)
    {
        foreach (PromptPart part in Parts) part.Append(text, step, steps);
    }

    internal override void AddChanges(int steps, ISet<int> changes)
    {
        foreach (PromptPart part in Parts) part.AddChanges(steps, changes);
    }
}

/// <summary><c>[before:after:when]</c>.</summary>
internal sealed record ChangingText(PromptPart Before, PromptPart After, double When) : PromptPart
{
    internal override void Append(StringBuilder text, int step, int steps) => (step <= LastStep(steps) ? Before : After).Append(text, step, steps);

    internal override void AddChanges(int steps, ISet<int> changes)
    {
        changes.Add(LastStep(steps));
        Before.AddChanges(steps, changes);
        After.AddChanges(steps, changes);
    }

    // Before the first step where it is negative, as in A1111.
    private int LastStep(int steps) => (int)Math.Clamp(When < 1 ? When * steps : When, -int.MaxValue, steps);
}

/// <summary><c>[a|b]</c>.</summary>
internal sealed record AlternatingText(IReadOnlyList<PromptPart> Turns) : PromptPart
{
    // Turns go on backwards before the first step, as Python's modulo does.
    internal override void Append(StringBuilder text, int step, int steps) => Turns[((step - 1) % Turns.Count + Turns.Count) % Turns.Count].Append(text, step, steps);

    internal override void AddChanges(int steps, ISet<int> changes)
    {
        for (int step = 1; step <= steps; step++) changes.Add(step);
        foreach (PromptPart turn in Turns) turn.AddChanges(steps, changes);
    }
}
