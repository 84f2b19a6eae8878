namespace Mural.Text;

/// <summary>The tokens of a CLIP tokenizer and the byte pairs that are merged into them (spec 4.4).</summary>
internal sealed class ClipVocabulary
{
    internal const string BeginToken = "<|startoftext|>", EndToken = "<|endoftext|>", WordEnd = "</w>";

    /// <summary>Merges of the released vocabulary; the file of the original code lists many more, which are not used.</summary>
    internal const int ReleasedMerges = 48_894;

    private readonly Dictionary<string, int> _ids;
    private readonly Dictionary<(int Left, int Right), Merge> _merges;
    private readonly int _unknown;

    /// <summary>Creates a vocabulary of tokens and merges, the first merge being the first to apply.</summary>
    /// <exception cref="MuralException">The tokens for begin and end are missing, or a merge is of tokens that do not exist.</exception>
    internal ClipVocabulary(IReadOnlyDictionary<string, int> ids, IEnumerable<(string Left, string Right)> merges)
    {
        _ids = new Dictionary<string, int>(ids, StringComparer.Ordinal);
        _unknown = Id(EndToken);
        Id(BeginToken);
        int least = _ids.Values.Min();
        if (least < 0) throw new MuralException($"The tokenizer's vocabulary has the id {least}; ids start at 0, so take the tokenizer files from the model's origin again.");
        Size = _ids.Values.Max() + 1;
        _merges = [];
        foreach ((string left, string right) in merges)
            _merges.TryAdd((Id(left), Id(right)), new Merge(_merges.Count, Id(left + right)));
    }

    /// <summary>One more than the highest id: the rows that a table of token embeddings needs.</summary>
    internal int Size { get; }

    /// <summary>The tokens with their ids, by id.</summary>
    internal IEnumerable<KeyValuePair<string, int>> Tokens => _ids.OrderBy(token => token.Value);

    /// <summary>The pairs of tokens that are merged, the first to apply first.</summary>
    internal IEnumerable<(string Left, string Right)> Merges
    {
        get
        {
            Dictionary<int, string> tokens = _ids.ToDictionary(token => token.Value, token => token.Key);
            return _merges.OrderBy(merge => merge.Value.Rank).Select(merge => (tokens[merge.Key.Left], tokens[merge.Key.Right]));
        }
    }

    /// <summary>The id of a token.</summary>
    /// <exception cref="MuralException">There is no such token.</exception>
    internal int Id(string token) => _ids.TryGetValue(token, out int id)
        ? id
        : throw new MuralException($"The tokenizer's vocabulary has no token {Checkpoints.Quote.Name(token)}, so it is not CLIP's or its files do not belong together; "
            + $"take the tokenizer files from the model's origin again.");

    internal bool Contains(string token) => _ids.ContainsKey(token);

    /// <summary>The vocabulary whose tokens follow from its merges: single bytes, single bytes that end a word, one token for each merge, begin and end.</summary>
    internal static ClipVocabulary FromMerges(IReadOnlyList<(string Left, string Right)> merges)
    {
        var ids = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (char character in ByteCharacters.InVocabularyOrder) ids.Add(character.ToString(), ids.Count);
        foreach (char character in ByteCharacters.InVocabularyOrder) ids.Add(character + WordEnd, ids.Count);
        int next = ids.Count;
        // Two merges may make the same token.
        foreach ((string left, string right) in merges)
            if (ids.TryAdd(left + right, next)) next++;
        ids[BeginToken] = next++;
        ids[EndToken] = next;
        return new ClipVocabulary(ids, merges);
    }

    /// <summary>Adds the tokens of one piece of text: its byte pairs are merged, the first in the list of merges first, until none is left to merge.</summary>
    internal void Encode(string piece, List<int> result)
    {
        string characters = ByteCharacters.Of(piece);
        var symbols = new Symbols(characters.Length);
        for (int i = 0; i < characters.Length; i++)
        {
            string token = i == characters.Length - 1 ? characters[i] + WordEnd : characters[i].ToString();
            symbols.Ids[i] = _ids.GetValueOrDefault(token, _unknown);
        }
        var queue = new PriorityQueue<(int At, int Left, int Right), (int Rank, int At)>();
        for (int at = 0; at < characters.Length - 1; at++) Offer(symbols, at, queue);
        while (queue.TryDequeue(out (int At, int Left, int Right) pair, out _))
        {
            // The pair may have been changed by a merge since it was queued.
            int right = symbols.Next[pair.At];
            if (right == Symbols.None || symbols.Ids[pair.At] != pair.Left || symbols.Ids[right] != pair.Right) continue;
            symbols.Join(pair.At, _merges[(pair.Left, pair.Right)].Result);
            Offer(symbols, symbols.Previous[pair.At], queue);
            Offer(symbols, pair.At, queue);
        }
        for (int at = 0; at != Symbols.None; at = symbols.Next[at]) result.Add(symbols.Ids[at]);
    }

    private void Offer(Symbols symbols, int at, PriorityQueue<(int At, int Left, int Right), (int Rank, int At)> queue)
    {
        if (at == Symbols.None || symbols.Next[at] == Symbols.None) return;
        int left = symbols.Ids[at], right = symbols.Ids[symbols.Next[at]];
        if (_merges.TryGetValue((left, right), out Merge merge)) queue.Enqueue((at, left, right), (merge.Rank, at));
    }

    private readonly record struct Merge(int Rank, int Result);

    /// <summary>The tokens of a piece as a list whose neighbours can be joined.</summary>
    private sealed class Symbols
    {
        internal const int None = -1;

        internal Symbols(int count)
        {
            (Ids, Next, Previous) = (new int[count], new int[count], new int[count]);
            for (int i = 0; i < count; i++) (Next[i], Previous[i]) = (i + 1 < count ? i + 1 : None, i - 1);
        }

        internal int[] Ids { get; }

        internal int[] Next { get; }

        internal int[] Previous { get; }

        internal void Join(int left, int id)
        {
            int right = Next[left], after = Next[right];
            Ids[left] = id;
            // No token has this id: what was queued for it is void.
            Ids[right] = None;
            Next[left] = after;
            if (after != None) Previous[after] = left;
        }
    }
}
