using Mural.DiM;

namespace Mural.Training.Data;

/// <summary>The words of pictures as rows of a vocabulary.</summary>
internal static class PictureWords
{
    /// <summary>The words of each picture.</summary>
    /// <param name="items">The pictures.</param>
    /// <param name="vocabulary">The words that there are.</param>
    /// <param name="path">Its file, for messages.</param>
    /// <exception cref="MuralException">A word is not in the vocabulary.</exception>
    internal static int[][] Of(IReadOnlyList<PictureItem> items, Vocabulary vocabulary, string path)
    {
        string[] unknown = [.. items.SelectMany(i => i.Words).Where(w => vocabulary.IndexOf(w) < 0).Distinct().Order(StringComparer.Ordinal)];
        if (unknown.Length > 0)
            throw new MuralException($"The vocabulary '{path}' lacks {unknown.Length} words of the pictures "
                + $"({string.Join(", ", unknown.Take(5))}{(unknown.Length > 5 ? ", ..." : "")}); add them, one a line.");
        return [.. items.Select(i => i.Words.Select(vocabulary.IndexOf).ToArray())];
    }
}
