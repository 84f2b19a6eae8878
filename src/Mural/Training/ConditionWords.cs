using Mural.Training.Data;

namespace Mural.Training;

/// <summary>How often pictures are shown for their words.</summary>
internal static class ConditionWords
{
    private const double MostShowings = 100, MostRows = 5e7;

    /// <summary>The rows, those of rare words several times: in whole numbers, so that an epoch still shows every picture.</summary>
    /// <param name="rows">Rows of the picture set.</param>
    /// <param name="wordsOf">The words of a row.</param>
    /// <param name="balance">A row stands in proportion to (pictures of its rarest word)^-balance; 0 leaves the rows as they are.</param>
    /// <exception cref="MuralException">Rare words are so rare that an epoch would be far too long.</exception>
    internal static IReadOnlyList<int> Balanced<T>(IReadOnlyList<int> rows, Func<int, IReadOnlyList<T>> wordsOf, double balance) where T : notnull
    {
        if (balance == 0) return rows;
        var pictures = new Dictionary<T, int>();
        foreach (T word in rows.SelectMany(row => wordsOf(row).Distinct())) pictures[word] = pictures.GetValueOrDefault(word) + 1;
        int[] rarest = [.. rows.Select(row => wordsOf(row).Count == 0 ? rows.Count : wordsOf(row).Min(word => pictures[word]))];
        int most = rarest.Max();
        double[] showings = [.. rarest.Select(count => Math.Round(Math.Pow((double)most / count, balance)))];
        double total = showings.Sum(), possible = Math.Min(MostShowings * rows.Count, MostRows);
        if (total > possible)
            throw new MuralException($"The setting 'balance' is {balance}, with which an epoch would show {rows.Count:N0} pictures {total:N0} times, where at most {possible:N0} are possible; lower it, or leave out pictures of the rarest words.");
        return [.. rows.SelectMany((row, i) => Enumerable.Repeat(row, (int)showings[i]))];
    }
}

/// <summary>What is left out of the words that a picture is shown with.</summary>
/// <param name="Label">Share of the pictures that are shown without any.</param>
/// <param name="Word">Share of the words that are left out; one always stays.</param>
/// <param name="Style">Share of the pictures that are shown without their style words.</param>
internal sealed record ConditionDropout(double Label, double Word, double Style)
{
    /// <summary>The rule of every dropout: a uniform draw from [0, 1) below the share leaves out.</summary>
    internal static bool Drops(double draw, double share) => draw < share;

    /// <summary>A uniform draw from [0, 1).</summary>
    internal static double Uniform(ref SplitMix random) => (random.Next() >> 11) * (1.0 / (1UL << 53));

    /// <summary>The words that one showing of a picture keeps.</summary>
    internal T[] Thin<T>(T[] words, Predicate<T> isStyle, ref SplitMix random)
    {
        // Every draw is made whatever the others say, so that one setting does not shift another's draws.
        bool dropped = Drops(Uniform(ref random), Label), unstyled = Drops(Uniform(ref random), Style);
        bool[] left = new bool[words.Length];
        for (int i = 0; i < words.Length; i++) left[i] = Drops(Uniform(ref random), Word) || (unstyled && isStyle(words[i]));
        int stays = words.Length == 0 ? 0 : random.Below(words.Length);
        if (dropped) return [];
        T[] kept = [.. words.Where((_, i) => !left[i])];
        return kept.Length > 0 || words.Length == 0 ? kept : [words[stays]];
    }
}
