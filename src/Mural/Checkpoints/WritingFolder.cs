namespace Mural.Checkpoints;

/// <summary>
/// A hidden folder for what is not whole yet, beside the file or folder that is being written. Its process holds it until everything is in place, so that another one can tell it
/// from what a killed process left.
/// </summary>
internal sealed class WritingFolder : IDisposable
{
    private const string Extension = ".tmp";

    private readonly FileStream _held;

    private WritingFolder(string folder, FileStream held) => (Folder, _held) = (folder, held);

    /// <summary>Where it lies.</summary>
    internal string Folder { get; }

    /// <summary>Creates one, and removes those that killed processes left beside the same target.</summary>
    /// <param name="target">The whole path of what is being written; its folder is created when missing.</param>
    /// <exception cref="IOException">It cannot be created.</exception>
    /// <exception cref="UnauthorizedAccessException">It must not be created.</exception>
    internal static WritingFolder Beside(string target)
    {
        string parent = Path.GetDirectoryName(target)!, begin = $".{Path.GetFileName(target)}.", random = Path.GetRandomFileName();
        Directory.CreateDirectory(parent);
        // Longer names are those of other targets, whose own begin with this one's.
        bool IsOfTarget(string name) => name.Length == begin.Length + random.Length + Extension.Length
            && name.StartsWith(begin, StringComparison.Ordinal) && name.EndsWith(Extension, StringComparison.Ordinal);
        foreach (string other in Directory.GetDirectories(parent))
            if (IsOfTarget(Path.GetFileName(other))) RemoveUnlessHeld(other);
        string folder = Path.Combine(parent, begin + random + Extension);
        Directory.CreateDirectory(folder);
        return Hold(folder, FileMode.CreateNew);
    }

    /// <summary>Removes it with all that is still in it.</summary>
    public void Dispose()
    {
        try
        {
            // What holds it goes last: without that nobody would remove what a process leaves that is killed here.
            foreach (string inside in Directory.GetDirectories(Folder)) Directory.Delete(inside, recursive: true);
            foreach (string inside in Directory.GetFiles(Folder).Where(file => Path.GetFileName(file) != FolderLock.Name)) File.Delete(inside);
            _held.Dispose();
            Directory.Delete(Folder, recursive: true);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            // It takes room, but is in nobody's way.
        }
        finally
        {
            _held.Dispose();
        }
    }

    private static void RemoveUnlessHeld(string folder)
    {
        try
        {
            Hold(folder, FileMode.Open).Dispose();
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            // Another process is writing in it, or has just created it.
        }
    }

    // The operating system lets go of the file when the process ends, however it ends.
    private static WritingFolder Hold(string folder, FileMode mode) =>
        new(folder, new FileStream(Path.Combine(folder, FolderLock.Name), mode, FileAccess.ReadWrite, FileShare.None, 1));
}
