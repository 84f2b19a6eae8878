using Mural.DiM;
using Mural.Imaging;
using Mural.Training.Data;

namespace Mural.Evaluation;

/// <summary>A picture file and what it should show.</summary>
/// <param name="File">Full path.</param>
/// <param name="Words">Rows of the judge's vocabulary, at least one.</param>
/// <param name="HeldOut">Whether its list keeps it out of trainings.</param>
internal sealed record JudgedPicture(string File, IReadOnlyList<int> Words, bool HeldOut);

/// <summary>Pictures with captions, read from a list or a folder.</summary>
/// <param name="Source">The list or folder.</param>
/// <param name="Pictures">The pictures.</param>
/// <param name="Ignored">Words of captions that the judge does not know.</param>
internal sealed record JudgedPictures(string Source, IReadOnlyList<JudgedPicture> Pictures, IReadOnlyList<string> Ignored)
{
    /// <summary>
    /// Reads a list as trainings do, or a folder: there a picture's caption is the prompt that it carries, else the text file beside it, else its sub-folder.
    /// </summary>
    /// <param name="path">The list or the folder.</param>
    /// <param name="vocabulary">The words that the judge knows.</param>
    /// <exception cref="MuralException">There are no pictures, or one has no caption or only words that the judge does not know.</exception>
    internal static JudgedPictures Read(string path, Vocabulary vocabulary)
    {
        bool folder = Directory.Exists(path);
        List<PictureItem> items = PictureList.Of(Path.GetFullPath(path));
        var pictures = new List<JudgedPicture>();
        var ignored = new HashSet<string>(StringComparer.OrdinalIgnoreCase);
        foreach (PictureItem item in items)
        {
            string caption = folder ? PromptOf(item.File) ?? item.ReadCaption() : item.Words.Count > 0 ? string.Join(' ', item.Words) : item.ReadCaption();
            if (string.IsNullOrWhiteSpace(caption))
                throw new MuralException(
                    $"The picture '{item.File}' has no caption; give a list with 'words', pictures that mural generate wrote, or a text file beside each picture.");
            VocabularyMatch match = vocabulary.Match(caption);
            if (match.Indices.Count == 0)
                throw new MuralException($"The judge knows no word of the caption '{caption}' of '{item.File}'; use words of its vocabulary, or train a judge that knows them.");
            ignored.UnionWith(match.Ignored);
            pictures.Add(new JudgedPicture(item.File, match.Indices, item.HeldOut));
        }
        return new JudgedPictures(path, pictures, [.. ignored.Order(StringComparer.Ordinal)]);
    }

    /// <summary>The pictures of a split.</summary>
    /// <exception cref="MuralException">There are none.</exception>
    internal IReadOnlyList<JudgedPicture> Of(PictureSplit split)
    {
        JudgedPicture[] chosen = [.. Pictures.Where(picture => split == PictureSplit.All || picture.HeldOut == (split == PictureSplit.Test))];
        return chosen.Length > 0 ? chosen : throw new MuralException($"'{Source}' has no pictures of the split {split.ToString().ToLowerInvariant()}; name another split.");
    }

    private static string? PromptOf(string file) =>
        PictureReader.Identify(file).Metadata.Parameters is { } text && GenerationParameters.Parse(text).Prompt is { Length: > 0 } prompt ? prompt : null;
}
