namespace Mural.Checkpoints;

/// <summary>Writes a folder of several files beside its final place and moves it there when it is whole, so that a failure leaves what was there before.</summary>
internal static class StagedFolder
{
    /// <summary>Creates a folder, or replaces the files of the same names in it.</summary>
    /// <param name="folder">The final place.</param>
    /// <param name="write">Writes the files into the folder that it is given.</param>
    /// <exception cref="MuralException">The folder cannot be written.</exception>
    internal static void Write(string folder, Action<string> write)
    {
        string target = Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder));
        if (File.Exists(target)) throw new MuralException($"{folder} is a file, where a folder was to be written; choose another name.");
        string staged = Path.Combine(Path.GetDirectoryName(target) ?? target, $".{Path.GetFileName(target)}.{Path.GetRandomFileName()}.tmp");
        try
        {
            Directory.CreateDirectory(staged);
            write(staged);
            Move(staged, target);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new MuralException($"Cannot write {folder}: {error.Message.TrimEnd('.')}; choose another place or free some space.", error);
        }
        finally
        {
            if (Directory.Exists(staged)) Directory.Delete(staged, recursive: true);
        }
    }

    /// <summary>Removes what killed processes left of writing a folder. Nobody else may be writing it.</summary>
    /// <param name="folder">The final place.</param>
    internal static void RemoveLeftovers(string folder)
    {
        string target = Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder));
        try
        {
            foreach (string staged in Directory.GetDirectories(Path.GetDirectoryName(target) ?? target, $".{Path.GetFileName(target)}.*.tmp"))
                Directory.Delete(staged, recursive: true);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            // It takes room, but is in nobody's way.
        }
    }

    private static void Move(string staged, string target)
    {
        if (!Directory.Exists(target))
        {
            Directory.Move(staged, target);
            return;
        }
        foreach (string file in Directory.GetFiles(staged, "*", SearchOption.AllDirectories))
        {
            string place = Path.Combine(target, Path.GetRelativePath(staged, file));
            Directory.CreateDirectory(Path.GetDirectoryName(place)!);
            File.Move(file, place, overwrite: true);
        }
    }
}
