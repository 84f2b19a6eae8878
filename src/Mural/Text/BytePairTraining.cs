namespace Mural.Text;

/// <summary>Learns the merges of a CLIP vocabulary from texts: byte-pair encoding (Sennrich et al., arXiv 1508.07909), the most frequent pair of neighbours first.</summary>
internal sealed class BytePairTraining
{
    // A pair that stands in one place only says nothing of others.
    private const long LeastFrequency = 2;

    private readonly List<(string[] Tokens, long Count)> _pieces;
    private readonly Dictionary<(string Left, string Right), long> _frequencies = [];
    private readonly Dictionary<(string Left, string Right), HashSet<int>> _places = [];

    private BytePairTraining(IEnumerable<string> texts)
    {
        _pieces = [.. texts.SelectMany(text => ClipText.Split(ClipText.Clean(text)))
            .GroupBy(piece => piece, StringComparer.Ordinal)
            .OrderBy(group => group.Key, StringComparer.Ordinal)
            .Select(group => (Symbols(group.Key), group.LongCount()))];
        for (int piece = 0; piece < _pieces.Count; piece++) Count(piece, 1);
    }

    /// <summary>The tokens that every vocabulary has: single bytes, single bytes that end a word, begin and end.</summary>
    internal static int SmallestVocabulary { get; } = ClipVocabulary.FromMerges([]).Size;

    /// <summary>Learns a vocabulary; the same texts give the same one.</summary>
    /// <param name="texts">The texts.</param>
    /// <param name="largest">The most tokens that it may have, at least <see cref="SmallestVocabulary"/>; few texts give fewer.</param>
    internal static ClipVocabulary Learn(IEnumerable<string> texts, int largest)
    {
        var training = new BytePairTraining(texts);
        var merges = new List<(string Left, string Right)>();
        var tokens = new HashSet<string>(StringComparer.Ordinal);
        while (SmallestVocabulary + tokens.Count < largest && training.MostFrequent() is { } pair)
        {
            merges.Add(pair);
            tokens.Add(pair.Left + pair.Right);
            training.Merge(pair);
        }
        return ClipVocabulary.FromMerges(merges);
    }

    private static string[] Symbols(string piece)
    {
        string[] symbols = [.. ByteCharacters.Of(piece).Select(character => character.ToString())];
        symbols[^1] += ClipVocabulary.WordEnd;
        return symbols;
    }

    // Of equally frequent pairs the first by the order of their characters' numbers.
    private (string Left, string Right)? MostFrequent()
    {
        (string Left, string Right)? best = null;
        long most = LeastFrequency;
        foreach (((string Left, string Right) pair, long frequency) in _frequencies)
            if (frequency > most || (frequency == most && (best is not { } other || Compare(pair, other) < 0))) (best, most) = (pair, frequency);
        return best;
    }

    private void Merge((string Left, string Right) pair)
    {
        foreach (int piece in _places[pair].ToArray())
        {
            Count(piece, -1);
            _pieces[piece] = (Merged(_pieces[piece].Tokens, pair), _pieces[piece].Count);
            Count(piece, 1);
        }
    }

    private static string[] Merged(string[] tokens, (string Left, string Right) pair)
    {
        var merged = new List<string>(tokens.Length);
        for (int i = 0; i < tokens.Length; i++)
        {
            bool joins = i + 1 < tokens.Length && tokens[i] == pair.Left && tokens[i + 1] == pair.Right;
            merged.Add(joins ? pair.Left + pair.Right : tokens[i]);
            if (joins) i++;
        }
        return [.. merged];
    }

    // Adds a piece's pairs to the counts, or takes them away.
    private void Count(int piece, int sign)
    {
        (string[] tokens, long count) = _pieces[piece];
        for (int i = 0; i + 1 < tokens.Length; i++)
        {
            (string, string) pair = (tokens[i], tokens[i + 1]);
            long frequency = _frequencies.GetValueOrDefault(pair) + sign * count;
            if (!_places.TryGetValue(pair, out HashSet<int>? places)) _places.Add(pair, places = []);
            if (sign > 0) places.Add(piece);
            else places.Remove(piece);
            if (frequency > 0) _frequencies[pair] = frequency;
            else _frequencies.Remove(pair);
        }
    }

    private static int Compare((string Left, string Right) one, (string Left, string Right) other)
    {
        int left = string.CompareOrdinal(one.Left, other.Left);
        return left != 0 ? left : string.CompareOrdinal(one.Right, other.Right);
    }
}
