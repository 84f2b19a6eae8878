namespace Mural.Training.Data;

/// <summary>A file of what is made of pictures once for many runs: it gets its name when it is whole.</summary>
internal static class PreparedFile
{
    /// <summary>Creates a file or replaces it, and removes what processes that were killed left of writing it.</summary>
    /// <param name="path">The final path; its folder is created when missing.</param>
    /// <param name="write">Writes the content.</param>
    internal static void Write(string path, Action<FileStream> write)
    {
        string folder = Path.GetDirectoryName(path)!;
        Directory.CreateDirectory(folder);
        foreach (string left in Directory.GetFiles(folder, $"{Path.GetFileName(path)}.*.tmp")) RemoveUnlessHeld(left);
        string staged = $"{path}.{Guid.NewGuid():N}.tmp";
        try
        {
            using (FileStream stream = File.Create(staged))
            {
                write(stream);
                stream.Flush(flushToDisk: true);
            }
            File.Move(staged, path, overwrite: true);
        }
        finally
        {
            File.Delete(staged);
        }
    }

    // Who writes a file holds it alone: only one that nobody writes can be opened.
    private static void RemoveUnlessHeld(string path)
    {
        try
        {
            using var opened = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Delete, 1);
            File.Delete(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Another process is preparing the same, or will have to remove it.
        }
    }
}
