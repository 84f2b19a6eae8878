using Mural.DiM;
using Mural.Training.Data;
using static TorchSharp.torch;

namespace Mural.Training;

/// <summary>What each picture of a set is conditioned on: words of a vocabulary, one class, or nothing.</summary>
internal sealed class DiMConditions
{
    private readonly int[][] _words;
    private readonly HashSet<int> _styles;
    private readonly WordSettings _settings;
    private readonly bool _bags;

    private DiMConditions(DiMTrainingConfig config, int[][] words, IReadOnlyList<string> labels, bool bags)
    {
        _settings = config.Words;
        _words = words;
        _bags = bags;
        Labels = labels;
        _styles = [.. _settings.Styles.Select(word => IndexOf(labels, word))];
    }

    /// <summary>The words or classes, by index.</summary>
    internal IReadOnlyList<string> Labels { get; }

    /// <summary>Names the words or classes and what each picture has of them.</summary>
    internal string Key => $"{Labels.Count}-{ContentHash.Of([.. Labels, .. _words.Select(words => string.Join(' ', words))])}";

    /// <summary>Reads the conditions of a set.</summary>
    /// <exception cref="MuralException">A word is not in the vocabulary, or a picture has several labels without one.</exception>
    internal static DiMConditions Read(DiMTrainingConfig config, IReadOnlyList<PictureItem> items)
    {
        if (config.Vocabulary is not null)
        {
            string path = Settings.Resolve(config.SettingsPath, config.Vocabulary);
            Vocabulary vocabulary = Vocabulary.Load(path);
            return new DiMConditions(config, PictureWords.Of(items, vocabulary, path), vocabulary.Words, bags: true);
        }
        PictureItem? several = items.FirstOrDefault(i => i.Words.Count > 1);
        if (several is not null)
            throw new MuralException($"The picture '{several.File}' has {several.Words.Count} words where one label is expected; name a 'vocabulary' to train on words.");
        string[] classes = [.. items.SelectMany(i => i.Words).Distinct().Order(StringComparer.Ordinal)];
        PictureItem? bare = classes.Length == 0 ? null : items.FirstOrDefault(i => i.Words.Count == 0);
        if (bare is not null) throw new MuralException($"The picture '{bare.File}' has no label while others have; give every picture a label, or none.");
        return new DiMConditions(config, [.. items.Select(i => i.Words.Select(w => Array.IndexOf(classes, w)).ToArray())], classes, bags: false);
    }

    /// <summary>The rows, those of rare words several times (<see cref="DiMTrainingConfig.Balance"/>).</summary>
    /// <param name="rows">Rows of the picture set.</param>
    internal IReadOnlyList<int> Balanced(IReadOnlyList<int> rows) => Labels.Count == 0 ? rows : ConditionWords.Balanced(rows, row => _words[row], _settings.Balance);

    /// <summary>Labels of the given rows for <see cref="DiMModel"/>, or null for an unconditional model.</summary>
    /// <param name="rows">Rows of the picture set.</param>
    /// <param name="random">Draws what is left out, or null to leave out nothing.</param>
    internal Tensor? Batch(IReadOnlyList<int> rows, SplitMix? random)
    {
        if (Labels.Count == 0) return null;
        SplitMix draws = random ?? default;
        int[][] kept = [.. rows.Select(row => random is null ? _words[row] : _settings.Dropout.Thin(_words[row], _styles.Contains, ref draws))];
        if (_bags) return Vocabulary.ToLabels(kept);
        return tensor(kept.Select(words => words.Length > 0 ? words[0] : (long)Labels.Count).ToArray());
    }

    /// <summary>The condition that stands for none, for as many pictures.</summary>
    internal Tensor? Nothing(Tensor? like)
    {
        if (like is null) return null;
        return full_like(like, _bags ? -1 : Labels.Count);
    }

    private static int IndexOf(IReadOnlyList<string> labels, string word)
    {
        for (int i = 0; i < labels.Count; i++)
            if (string.Equals(labels[i], word, StringComparison.OrdinalIgnoreCase)) return i;
        throw WordSettings.NoPictureHas(word);
    }
}
