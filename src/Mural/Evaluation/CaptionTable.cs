using Mural.Training.Data;

namespace Mural.Evaluation;

/// <summary>Distinct captions, each a set of words, and the ones among which a picture's own has to be found.</summary>
internal sealed class CaptionTable
{
    // Two sets of pictures with the same captions meet the same candidates.
    private const long Seed = 1234;

    private readonly List<int[]> _captions = [];
    private readonly Dictionary<string, int> _rows = [];
    private readonly int _listed;

    /// <param name="captions">The captions that candidates are drawn from; those with the same words count once.</param>
    internal CaptionTable(IEnumerable<IReadOnlyList<int>> captions)
    {
        foreach (IReadOnlyList<int> caption in captions) RowOf(caption);
        _listed = _captions.Count;
    }

    /// <summary>The captions by row, each with its words in rising order.</summary>
    internal IReadOnlyList<int[]> Captions => _captions;

    /// <summary>The most candidates that any caption can have.</summary>
    internal int MostCandidates => _listed;

    /// <summary>The row of a caption, which is added where it is not there yet: it is no candidate for others then.</summary>
    internal int RowOf(IReadOnlyList<int> words)
    {
        int[] sorted = [.. words.Distinct().Order()];
        string key = string.Join(' ', sorted);
        if (_rows.TryGetValue(key, out int row)) return row;
        _rows.Add(key, _captions.Count);
        _captions.Add(sorted);
        return _captions.Count - 1;
    }

    /// <summary>A caption's row, and then those of others, drawn once and for all by its words.</summary>
    /// <param name="own">Row of the caption.</param>
    /// <param name="count">Candidates wanted, its own included, at most <see cref="MostCandidates"/>.</param>
    internal int[] Candidates(int own, int count)
    {
        // A caption that was not listed has all listed ones to choose from.
        int others = own < _listed ? _listed - 1 : _listed;
        var random = new SplitMix(_captions[own].Aggregate(SplitMix.Combine(Seed, 0), (hash, word) => SplitMix.Combine((long)hash, word)));
        var drawn = new HashSet<int>();
        // Floyd's draw of distinct numbers below 'others'.
        for (int bound = others - (count - 1); bound < others; bound++)
        {
            int number = random.Below(bound + 1);
            if (!drawn.Add(number)) drawn.Add(bound);
        }
        return [own, .. drawn.Select(number => number < own ? number : number + 1).Order()];
    }
}
