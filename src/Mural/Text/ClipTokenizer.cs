namespace Mural.Text;

/// <summary>
/// CLIP's tokenizer, giving the ids that transformers' fast tokenizer gives (spec 4.4). Added words, such as those of textual inversions, are found in the text,
/// whatever their case, and stand for their vectors' ids.
/// </summary>
internal sealed class ClipTokenizer
{
    /// <summary>Tokens that CLIP's encoders see at once, and the most that others may.</summary>
    internal const int ClipWindow = 77;

    /// <summary>Tokens of the shortest window: begin, one of text, end.</summary>
    internal const int ShortestWindow = 3;

    private readonly ClipVocabulary _vocabulary;
    private readonly Dictionary<int, int> _runs = [];

    // Longest first, because of two that start at one place the longer is meant.
    private readonly List<Whole> _whole = [];

    /// <param name="vocabulary">The tokens.</param>
    /// <param name="padToken">
    /// What fills a window up, by default the end token. Any token given is a special one: <c>!</c>, which SD 2 and SDXL's second encoder pad with, is then id 0
    /// wherever it stands in a text.
    /// </param>
    /// <param name="windowLength">Tokens that the encoder sees at once.</param>
    /// <exception cref="MuralException">The vocabulary does not have the pad token.</exception>
    internal ClipTokenizer(ClipVocabulary vocabulary, string padToken = ClipVocabulary.EndToken, int windowLength = ClipWindow)
    {
        _vocabulary = vocabulary;
        WindowLength = windowLength;
        Begin = vocabulary.Id(ClipVocabulary.BeginToken);
        End = vocabulary.Id(ClipVocabulary.EndToken);
        Pad = vocabulary.Id(padToken);
        Comma = vocabulary.Id("," + ClipVocabulary.WordEnd);
        foreach (string token in new[] { ClipVocabulary.BeginToken, ClipVocabulary.EndToken, padToken }.Distinct())
            Add(new Whole(token, vocabulary.Id(token), 1, AnyCase: false, InsideWords: true));
    }

    /// <summary>Tokens that the encoder sees at once.</summary>
    internal int WindowLength { get; }

    /// <summary>Tokens of text in a window: the others are begin and end.</summary>
    internal int WindowTokens => WindowLength - 2;

    internal int Begin { get; }

    internal int End { get; }

    internal int Pad { get; }

    /// <summary>The id of a comma, after which a long prompt is cut.</summary>
    internal int Comma { get; }

    /// <summary>Rows that the encoder's table needs for the vocabulary alone, without added words.</summary>
    internal int VocabularySize => _vocabulary.Size;

    /// <summary>Lets a word stand for ids that follow each other. It is found in any case.</summary>
    /// <param name="word">The word.</param>
    /// <param name="first">The first of the ids.</param>
    /// <param name="count">How many ids there are.</param>
    /// <param name="insideWords">Whether it is found inside a longer word, too, as transformers finds what was added to its tokenizers.</param>
    /// <exception cref="MuralException">The word is empty, known already, or has more vectors than a window has places.</exception>
    internal void AddWord(string word, int first, int count, bool insideWords = false)
    {
        if (string.IsNullOrWhiteSpace(word)) throw new MuralException("A textual inversion needs a word to stand for it in the prompt; name one.");
        if (_whole.Any(known => string.Equals(known.Text, word, StringComparison.OrdinalIgnoreCase)))
            throw new MuralException($"The word {Checkpoints.Quote.Name(word)} stands for something already; choose another word for this textual inversion.");
        if (count < 1 || count > WindowTokens)
            throw new MuralException(
                $"The textual inversion {Checkpoints.Quote.Name(word)} has {count} vectors, but from 1 to {WindowTokens} fit into a prompt; use another file.");
        Add(new Whole(word, first, count, AnyCase: true, insideWords));
        _runs.Add(first, count);
    }

    /// <summary>How many ids belong together from this one on: more than 1 where a word of several vectors begins.</summary>
    internal int RunLength(int id) => _runs.GetValueOrDefault(id, 1);

    /// <summary>The ids of a text, without begin and end, of any length.</summary>
    internal List<int> Encode(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        var ids = new List<int>();
        int start = 0;
        for (int at = 0; at < text.Length;)
        {
            if (Find(text, at) is not { } whole)
            {
                at++;
                continue;
            }
            EncodePlain(text[start..at], ids);
            for (int i = 0; i < whole.Count; i++) ids.Add(whole.First + i);
            start = at += whole.Text.Length;
        }
        EncodePlain(text[start..], ids);
        return ids;
    }

    /// <summary>One window as diffusers makes it: begin, the first ids of the text, of CLIP 75, end, and padding.</summary>
    internal int[] EncodeWindow(string text) => Window([.. Encode(text).Take(WindowTokens)]);

    /// <summary>A window of ids: begin, the ids, end, and padding.</summary>
    internal int[] Window(IReadOnlyList<int> ids)
    {
        int[] window = new int[WindowLength];
        Array.Fill(window, Pad);
        window[0] = Begin;
        for (int i = 0; i < ids.Count; i++) window[i + 1] = ids[i];
        window[ids.Count + 1] = End;
        return window;
    }

    private void EncodePlain(string text, List<int> ids)
    {
        foreach (string piece in ClipText.Split(ClipText.Clean(text))) _vocabulary.Encode(piece, ids);
    }

    private void Add(Whole whole)
    {
        _whole.Add(whole);
        _whole.Sort((one, other) => other.Text.Length.CompareTo(one.Text.Length));
    }

    private Whole? Find(string text, int at)
    {
        foreach (Whole whole in _whole)
            if (whole.StandsAt(text, at)) return whole;
        return null;
    }

    /// <summary>A text that is not cut into pieces.</summary>
    private sealed record Whole(string Text, int First, int Count, bool AnyCase, bool InsideWords)
    {
        internal bool StandsAt(string text, int at)
        {
            StringComparison comparison = AnyCase ? StringComparison.OrdinalIgnoreCase : StringComparison.Ordinal;
            if (string.Compare(text, at, Text, 0, Text.Length, comparison) != 0) return false;
            return InsideWords || (!Continues(text, at - 1, at) && !Continues(text, at + Text.Length - 1, at + Text.Length));
        }

        // Whether a word goes on from one place to the next. A digit is a piece of its own for CLIP, beside which A1111 still finds a word.
        private static bool Continues(string text, int before, int after) =>
            before >= 0 && after < text.Length && char.IsLetter(text[before]) && char.IsLetter(text[after]);
    }
}
