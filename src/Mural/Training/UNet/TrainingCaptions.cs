using Mural.Training.Data;

namespace Mural.Training;

/// <summary>What each picture of a set is said to show, and how it is said in one showing.</summary>
internal sealed class TrainingCaptions
{
    private readonly WordSettings _settings;
    private readonly double _shuffle;
    private readonly string[][] _words;
    private readonly HashSet<string> _styles;

    /// <param name="config">Style words, dropouts and balance.</param>
    /// <param name="items">The pictures.</param>
    /// <exception cref="MuralException">No picture has a style word.</exception>
    internal TrainingCaptions(UNetTrainingConfig config, IReadOnlyList<PictureItem> items)
    {
        _settings = config.Words;
        _shuffle = config.WordShuffle;
        _words = [.. items.Select(item => item.ReadCaption().Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries))];
        _styles = new HashSet<string>(_settings.Styles, StringComparer.OrdinalIgnoreCase);
        foreach (string style in _settings.Styles)
            if (!_words.Any(words => words.Contains(style, StringComparer.OrdinalIgnoreCase)))
                throw WordSettings.NoPictureHas(style);
    }

    /// <summary>Names the content.</summary>
    internal string Key => ContentHash.Of(Enumerable.Range(0, _words.Length).Select(Of));

    /// <summary>The whole caption of a row.</summary>
    internal string Of(int row) => string.Join(' ', _words[row]);

    /// <summary>The rows, those of rare words several times (<see cref="UNetTrainingConfig.Balance"/>).</summary>
    internal IReadOnlyList<int> Balanced(IReadOnlyList<int> rows) => ConditionWords.Balanced(rows, row => _words[row], _settings.Balance);

    /// <summary>The captions that one showing of each row has.</summary>
    /// <param name="rows">Rows of the picture set.</param>
    /// <param name="random">Draws what is left out and in which order the words are.</param>
    internal string[] Shown(IReadOnlyList<int> rows, SplitMix random)
    {
        var captions = new string[rows.Count];
        for (int i = 0; i < captions.Length; i++)
        {
            string[] kept = _settings.Dropout.Thin(_words[rows[i]], _styles.Contains, ref random);
            bool shuffled = ConditionDropout.Drops(random.Uniform(), _shuffle);
            var order = new SplitMix(random.Next());
            if (shuffled) order.Shuffle(kept.AsSpan());
            captions[i] = string.Join(' ', kept);
        }
        return captions;
    }
}
