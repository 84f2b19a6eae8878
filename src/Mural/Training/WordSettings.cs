namespace Mural.Training;

/// <summary>How pictures are shown with their words: the settings that every training on words has.</summary>
/// <param name="Dropout">What is left out: <c>label_dropout</c>, <c>word_dropout</c> and <c>style_dropout</c>.</param>
/// <param name="Styles">Words that say how and not what: <c>style_words</c>.</param>
/// <param name="Balance">How much more often pictures of rare words are shown: <c>balance</c>.</param>
internal sealed record WordSettings(ConditionDropout Dropout, string[] Styles, double Balance)
{
    /// <summary>Throws for the first impossible value.</summary>
    internal void Check()
    {
        Settings.InRange("label_dropout", Dropout.Label, 0, 1);
        Settings.InRange("word_dropout", Dropout.Word, 0, 0.99);
        Settings.InRange("style_dropout", Dropout.Style, 0, 1);
        Settings.InRange("balance", Balance, 0, 2);
    }

    /// <exception cref="MuralException">Styles are to be left out, but none are named.</exception>
    internal void RequireStyles()
    {
        if (Dropout.Style > 0 && Styles.Length == 0) throw new MuralException("The setting 'style_dropout' is set without 'style_words'; name the words that it may leave out.");
    }

    /// <summary>What to say of a style that no picture has.</summary>
    internal static MuralException NoPictureHas(string style) => new($"The setting 'style_words' names '{style}', which no picture has; correct it, or leave it out.");
}
