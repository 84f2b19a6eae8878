using System.Buffers;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Mural.Checkpoints;

/// <summary>Writes a file beside its final place and renames it when it is whole, so that a failure leaves what was there before.</summary>
internal static class AtomicFile
{
    // What .NET puts behind the sentence of a message.
    private static readonly SearchValues<string> Tails = SearchValues.Create([" : '", " (Parameter '"], StringComparison.Ordinal);

    /// <summary>Creates or replaces <paramref name="path"/> with what <paramref name="write"/> puts into the stream.</summary>
    /// <param name="path">The final path; its folder is created when missing, and a symbolic link is written through.</param>
    /// <param name="size">The size to come if known: a full disk is then found before anything is written.</param>
    /// <param name="write">Writes the content.</param>
    /// <exception cref="MuralException">The file cannot be written.</exception>
    internal static void Write(string path, long size, Action<Stream> write)
    {
        string staged = Stage(path, size, write);
        Commit(staged, path);
    }

    /// <summary>Creates or replaces <paramref name="path"/> with a text in UTF-8.</summary>
    /// <exception cref="MuralException">The file cannot be written.</exception>
    internal static void WriteText(string path, string text)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        Write(path, bytes.Length, stream => stream.Write(bytes));
    }

    /// <summary>
    /// Writes the content to a temporary file beside <paramref name="path"/>, or in a folder on the same file system, and returns its path; nothing is left behind on failure.
    /// </summary>
    internal static string Stage(string path, long size, Action<Stream> write, string? folder = null)
    {
        string target = Resolve(path);
        folder ??= Path.GetDirectoryName(target)!;
        string staged = Path.Combine(folder, $".{Path.GetFileName(target)}.{Path.GetRandomFileName()}.tmp");
        try
        {
            Directory.CreateDirectory(folder);
            var options = new FileStreamOptions
            {
                Mode = FileMode.CreateNew,
                Access = FileAccess.Write,
                Share = FileShare.None,
                BufferSize = 0,
                PreallocationSize = size,
            };
            using var stream = new FileStream(staged, options);
            write(stream);
            stream.Flush(flushToDisk: true);
            return staged;
        }
        catch (Exception error)
        {
            Discard(staged);
            // A file that outgrows what its file system allows is reported as a wrong argument.
            if (error is IOException or UnauthorizedAccessException or ArgumentOutOfRangeException { ParamName: "value" })
                throw new MuralException($"Cannot write {path}: {FirstSentence(error)}; choose another place or free some space.", error);
            throw;
        }
    }

    /// <summary>Makes sure that a file can be written at <paramref name="path"/> later; its folder is created when missing.</summary>
    /// <exception cref="MuralException">It cannot.</exception>
    internal static void RequireWritable(string path) => Discard(Stage(path, 0, _ => { }));

    /// <summary>Waits until what another library wrote into a file is on the disk.</summary>
    internal static void Flush(string staged)
    {
        // Windows does so only for who may write.
        using SafeFileHandle file = File.OpenHandle(staged, FileMode.Open, FileAccess.ReadWrite);
        RandomAccess.FlushToDisk(file);
    }

    /// <summary>Renames a staged file to its final place.</summary>
    internal static void Commit(string staged, string path)
    {
        try
        {
            File.Move(staged, Resolve(path), overwrite: true);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            Discard(staged);
            throw new MuralException($"Cannot replace {path}: {FirstSentence(error)}; close what uses it or choose another place.", error);
        }
    }

    /// <summary>Removes a staged file if it is there.</summary>
    internal static void Discard(string staged)
    {
        try
        {
            File.Delete(staged);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            // The reason why writing failed matters more than a leftover that cannot be removed.
        }
    }

    /// <summary>The whole path of what is written at <paramref name="path"/>: where that is a symbolic link, what it leads to.</summary>
    /// <exception cref="MuralException">It is a folder.</exception>
    internal static string Resolve(string path)
    {
        string full = Path.GetFullPath(path);
        if (Directory.Exists(full)) throw new MuralException($"{path} is a folder, not a file to write; add a file name.");
        return File.Exists(full) ? File.ResolveLinkTarget(full, returnFinalTarget: true)?.FullName ?? full : full;
    }

    private static string FirstSentence(Exception error)
    {
        int end = error.Message.AsSpan().IndexOfAny(Tails);
        return (end < 0 ? error.Message : error.Message[..end]).TrimEnd('.', ' ');
    }
}
