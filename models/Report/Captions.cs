using Mural.Training.Data;

namespace Mural.Report;

/// <summary>The pictures of a list, by what is asked of them.</summary>
internal sealed class Captions
{
    private readonly List<PictureItem> _items;

    internal Captions(string list) => _items = PictureList.Of(Path.GetFullPath(list));

    /// <summary>Those that were trained on.</summary>
    internal IReadOnlyList<PictureItem> Training => [.. _items.Where(item => !item.HeldOut)];

    /// <summary>Those that were not.</summary>
    internal IReadOnlyList<PictureItem> HeldOut => [.. _items.Where(item => item.HeldOut)];

    /// <summary>What a sheet says under a picture: its name and, of several words, the last, which is the style.</summary>
    internal static string LabelOf(PictureItem item) => item.Words.Count > 1 ? $"{item.Name}, {item.Words[^1]}" : item.Name;
}
