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
            throw new MuralException($"The setting 'balance' is {balance}, with which an epoch would show {rows.Count:N0} pictures {total:N0} times, "
                + $"where at most {possible:N0} are possible; lower it, or leave out pictures of the rarest words.");
        return [.. rows.SelectMany((row, i) => Enumerable.Repeat(row, (int)showings[i]))];
    }
}
