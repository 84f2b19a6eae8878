using Mural.Training.Data;

namespace Mural.Training;

/// <summary>What is left out of the words that a picture is shown with.</summary>
/// <param name="Label">Share of the pictures that are shown without any.</param>
/// <param name="Word">Share of the words that are left out; one always stays.</param>
/// <param name="Style">Share of the pictures that are shown without their style words.</param>
internal sealed record ConditionDropout(double Label, double Word, double Style)
{
    /// <summary>The rule of every dropout: a uniform draw from [0, 1) below the share leaves out.</summary>
    internal static bool Drops(double draw, double share) => draw < share;

    /// <summary>The words that one showing of a picture keeps.</summary>
    internal T[] Thin<T>(T[] words, Predicate<T> isStyle, ref SplitMix random)
    {
        // Every draw is made whatever the others say, so that one setting does not shift another's draws.
        bool dropped = Drops(random.Uniform(), Label), unstyled = Drops(random.Uniform(), Style);
        bool[] left = new bool[words.Length];
        for (int i = 0; i < words.Length; i++) left[i] = Drops(random.Uniform(), Word) || (unstyled && isStyle(words[i]));
        int stays = words.Length == 0 ? 0 : random.Below(words.Length);
        if (dropped) return [];
        T[] kept = [.. words.Where((_, i) => !left[i])];
        return kept.Length > 0 || words.Length == 0 ? kept : [words[stays]];
    }
}
