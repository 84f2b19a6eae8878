namespace Mural.Runtime;

/// <summary>Reads Linux's <c>name: value</c> files; what cannot be read counts as absent, since it only informs.</summary>
internal static class ProcFile
{
    /// <summary>The value of the first line of that name, or an empty string.</summary>
    internal static string Value(string path, string name)
    {
        foreach (string line in Lines(path))
        {
            int colon = line.IndexOf(':', StringComparison.Ordinal);
            if (colon > 0 && line.AsSpan(0, colon).Trim().SequenceEqual(name)) return line[(colon + 1)..].Trim();
        }
        return "";
    }

    /// <summary>A value that the kernel gives in kB, in bytes; null where there is none.</summary>
    internal static long? Kilobytes(string path, string name)
    {
        string number = Value(path, name).Split(' ')[0];
        return long.TryParse(number, out long kilobytes) ? kilobytes * 1024 : null;
    }

    /// <summary>The file's text, or an empty string.</summary>
    internal static string Text(string path) => string.Join('\n', Lines(path));

    private static string[] Lines(string path)
    {
        try
        {
            return File.Exists(path) ? File.ReadAllLines(path) : [];
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }
}
