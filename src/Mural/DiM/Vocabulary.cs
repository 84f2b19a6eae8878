using System.Buffers;
using static TorchSharp.torch;

namespace Mural.DiM;

/// <summary>
/// The words that a word-conditional model knows: row i of its label tables is word i. A text file with one word a line; blank lines do not count.
/// </summary>
public sealed class Vocabulary
{
    private const string Separators = " \t\r\n,;:_.!?()\"“”";

    private static readonly SearchValues<char> SeparatorValues = SearchValues.Create(Separators);

    private readonly Dictionary<string, int> _indices = new(StringComparer.OrdinalIgnoreCase);
    private readonly List<string> _words = [];

    /// <summary>Creates a vocabulary from its words, in the order of their indices.</summary>
    /// <exception cref="MuralException">A word comes twice (case does not count) or contains a separator.</exception>
    public Vocabulary(IEnumerable<string> words)
    {
        ArgumentNullException.ThrowIfNull(words);
        foreach (string word in words)
        {
            if (word.Length == 0 || word.AsSpan().ContainsAny(SeparatorValues))
                throw new MuralException($"The vocabulary holds \"{word}\"; an entry must be a single word without spaces or punctuation.");
            if (!_indices.TryAdd(word, _words.Count)) throw new MuralException($"The vocabulary holds \"{word}\" twice; remove one of them.");
            _words.Add(word);
        }
    }

    /// <summary>The words, by index.</summary>
    public IReadOnlyList<string> Words => _words;

    /// <summary>Number of words, which is <see cref="DiMConfig.Classes"/> of the model and the index of its null label.</summary>
    public int Count => _words.Count;

    /// <summary>Reads a vocabulary file.</summary>
    /// <exception cref="MuralException">The file cannot be read, or a line is not a word or comes twice.</exception>
    public static Vocabulary Load(string path)
    {
        try
        {
            return new Vocabulary(File.ReadLines(path).Select(line => line.Trim()).Where(line => line.Length > 0));
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new MuralException($"The vocabulary {path} cannot be read ({exception.Message}); give a text file with one word a line.", exception);
        }
    }

    /// <summary>Index of a word as it stands, upper and lower case being the same, or -1.</summary>
    public int IndexOf(string word) => _indices.GetValueOrDefault(word, -1);

    /// <summary>
    /// Finds the vocabulary's words in a prompt. The prompt is split at spaces, commas, colons, underscores and the like; a hyphenated word that the vocabulary
    /// lacks is split at its hyphens, and a word it lacks stands for its singular or plural.
    /// </summary>
    public VocabularyMatch Match(string prompt)
    {
        var indices = new List<int>();
        var ignored = new List<string>();
        foreach (string word in Split(prompt))
        {
            string[] parts = Find(word) >= 0 ? [word] : word.Split('-', StringSplitOptions.RemoveEmptyEntries);
            foreach (string part in parts)
            {
                int index = Find(part);
                if (index < 0) ignored.Add(part);
                else if (!indices.Contains(index)) indices.Add(index);
            }
        }
        return new VocabularyMatch(indices, [.. indices.Select(index => _words[index])], ignored);
    }

    /// <summary>The words of a text, hyphenated ones whole: what <see cref="Match"/> looks up, and what the names of training pictures become.</summary>
    public static string[] Split(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return text.Split(Separators.ToCharArray(), StringSplitOptions.RemoveEmptyEntries);
    }

    /// <summary>Labels for <see cref="DiMModel"/> from sets of word indices.</summary>
    /// <param name="bags">Word indices of each picture; an empty set stands for the null label.</param>
    /// <returns>int64, the sets filled up with -1 to the length of the longest. Shape: `[B, K]`, K at least 1.</returns>
    public static Tensor ToLabels(IReadOnlyList<IReadOnlyList<int>> bags)
    {
        ArgumentNullException.ThrowIfNull(bags);
        int longest = bags.Count == 0 ? 1 : Math.Max(1, bags.Max(bag => bag.Count));
        long[,] labels = new long[bags.Count, longest];
        for (int row = 0; row < bags.Count; row++)
            for (int column = 0; column < longest; column++)
                labels[row, column] = column < bags[row].Count ? bags[row][column] : -1;
        return from_array(labels);
    }

    private int Find(string word)
    {
        int exact = IndexOf(word);
        if (exact >= 0) return exact;
        foreach (string form in OtherNumber(word))
            if (IndexOf(form) is int index and >= 0) return index;
        return -1;
    }

    // Singular and plural forms a word may stand for; the vocabulary decides which of them exists.
    private static IEnumerable<string> OtherNumber(string word)
    {
        if (word.EndsWith("ies", StringComparison.OrdinalIgnoreCase)) yield return word[..^3] + "y";
        if (word.EndsWith("ves", StringComparison.OrdinalIgnoreCase))
        {
            yield return word[..^3] + "f";
            yield return word[..^3] + "fe";
        }
        if (word.EndsWith("es", StringComparison.OrdinalIgnoreCase)) yield return word[..^2];
        if (word.EndsWith('s') || word.EndsWith('S')) yield return word[..^1];
        yield return word + "s";
        yield return word + "es";
        if (word.EndsWith('y') || word.EndsWith('Y')) yield return word[..^1] + "ies";
    }
}
