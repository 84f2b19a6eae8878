using System.Globalization;

namespace Mural.Checkpoints;

/// <summary>
/// Tells files apart: from which ones something was loaded, by their places, sizes and times. Another file under the old name is noticed without reading gigabytes again.
/// </summary>
internal static class FileMark
{
    // Pictures and notes may lie beside a model and change.
    private static readonly string[] Kinds = [".safetensors", ".bin", ".ckpt", ".pt", ".pth", ".json", ".txt"];

    /// <summary>A line for a file; for a folder one for each file of a model in it.</summary>
    /// <param name="path">A file or folder.</param>
    /// <param name="parts">Folders in that folder whose files count too.</param>
    internal static string Of(string path, params IEnumerable<string> parts)
    {
        if (!Directory.Exists(path)) return Line(path);
        IEnumerable<string> folders = parts.Select(part => Path.Combine(path, part)).Where(Directory.Exists).Prepend(path);
        return string.Join('\n', folders.SelectMany(Directory.GetFiles).Where(file => Kinds.Contains(Path.GetExtension(file))).Order(StringComparer.Ordinal).Select(Line));
    }

    private static string Line(string path)
    {
        var file = new FileInfo(path);
        if (!file.Exists) return file.FullName;
        // Downloads are often links to files that their content names.
        if (file.ResolveLinkTarget(returnFinalTarget: true) is FileInfo target) file = target;
        return string.Create(CultureInfo.InvariantCulture, $"{file.FullName} {file.Length} {file.LastWriteTimeUtc:O}");
    }
}
