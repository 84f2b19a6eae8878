using System.Text.Json;

namespace Mural.Report;

/// <summary>A picture of the list that a model was trained on, or kept out of it.</summary>
/// <param name="File">Where it lies.</param>
/// <param name="Name">What people call it.</param>
/// <param name="Words">Its words, the last of which is its style.</param>
/// <param name="Train">Whether it was trained on.</param>
internal sealed record ListedPicture(string File, string Name, string[] Words, bool Train)
{
    internal string Caption => string.Join(' ', Words);

    internal string Label => $"{Name}, {Words[^1]}";
}

/// <summary>The list that <c>prepare.cs</c> makes.</summary>
internal static class PictureList
{
    internal static IReadOnlyList<ListedPicture> Read(string list)
    {
        string folder = Path.GetDirectoryName(Path.GetFullPath(list))!;
        return [.. File.ReadLines(list).Where(line => line.Length > 0).Select(line =>
        {
            using JsonDocument document = JsonDocument.Parse(line);
            JsonElement entry = document.RootElement;
            string[] words = [.. entry.GetProperty("words").EnumerateArray().Select(word => word.GetString()!)];
            return new ListedPicture(
                Path.Combine(folder, entry.GetProperty("file").GetString()!), entry.GetProperty("name").GetString()!, words, entry.GetProperty("split").GetString() == "train");
        })];
    }

    /// <summary>Pictures at equal distances of the list: nothing is picked by hand.</summary>
    internal static IReadOnlyList<ListedPicture> Spread(IEnumerable<ListedPicture> pictures, int count)
    {
        ListedPicture[] all = [.. pictures];
        int taken = Math.Min(count, all.Length);
        return [.. Enumerable.Range(0, taken).Select(i => all[(int)((i + 0.5) * all.Length / taken)])];
    }
}
