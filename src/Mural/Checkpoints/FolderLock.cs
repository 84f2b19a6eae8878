namespace Mural.Checkpoints;

/// <summary>A folder that one process at a time writes into; a killed process does not keep it.</summary>
internal sealed class FolderLock : IDisposable
{
    /// <summary>The file in it that is held.</summary>
    internal const string Name = "lock";

    // How Linux, macOS and Windows number a file that somebody else holds.
    private const int HeldOnLinux = 11, HeldOnMac = 35, HeldOnWindows = unchecked((int)0x80070020);

    private readonly FileStream _held;

    private FolderLock(FileStream held) => _held = held;

    /// <summary>Creates the folder where it is missing and takes it.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="what">What it is called where it cannot be created or written.</param>
    /// <param name="taken">The sentence for a folder that is held already.</param>
    /// <exception cref="MuralException">Somebody else holds it, or it cannot be written.</exception>
    internal static FolderLock Take(string folder, string what, string taken)
    {
        try
        {
            Directory.CreateDirectory(folder);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new MuralException($"{what} '{folder}' cannot be created: {e.Message}", e);
        }
        try
        {
            // The operating system lets go of the lock when the process ends, however it ends.
            return new FolderLock(new FileStream(Path.Combine(folder, Name), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, 1));
        }
        catch (IOException e) when (e.HResult is HeldOnLinux or HeldOnMac or HeldOnWindows)
        {
            throw new MuralException(taken, e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new MuralException($"{what} '{folder}' cannot be written: {e.Message}", e);
        }
    }

    public void Dispose() => _held.Dispose();
}
