using Microsoft.Win32.SafeHandles;
using Mural.Checkpoints;
using Mural.Imaging;

namespace Mural.Pipelines;

/// <summary>A picture of 8-bit RGB samples in a file, row after row, of which only some rows need to be in memory.</summary>
internal sealed class RgbFile : IDisposable
{
    private const int Channels = 3;

    private readonly SafeFileHandle _file;

    private RgbFile(string path, SafeFileHandle file, int width, int height)
    {
        (Path, _file, Width, Height) = (path, file, width, height);
    }

    internal string Path { get; }

    internal int Width { get; }

    internal int Height { get; }

    /// <summary>A new file, whose rows are all to be written.</summary>
    /// <exception cref="MuralException">There is no room for it.</exception>
    internal static RgbFile Create(string path, int width, int height)
    {
        try
        {
            return new RgbFile(path, File.OpenHandle(path, FileMode.Create, FileAccess.ReadWrite, preallocationSize: Bytes(width, height)), width, height);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new MuralException(
                $"{Bytes(width, height)} bytes for a stage's picture cannot be kept at {path} ({error.Message.TrimEnd('.')}); free some space or choose another place.", error);
        }
    }

    /// <summary>A file that was written before; null where it is not there or not of that size.</summary>
    internal static RgbFile? Open(string path, int width, int height)
    {
        if (new FileInfo(path) is not { Exists: true } known || known.Length != Bytes(width, height)) return null;
        return new RgbFile(path, File.OpenHandle(path), width, height);
    }

    /// <summary>Some rows as a picture of their own.</summary>
    internal Picture Read(int first, int count)
    {
        var rows = new Picture(Width, count, Channels);
        FileBytes.Fill(_file, rows.Data, Offset(first), $"{Path} ends too early; delete it and paint the stage again.");
        return rows;
    }

    /// <summary>Writes rows from <paramref name="first"/> on.</summary>
    /// <exception cref="MuralException">There is no room for them.</exception>
    internal void Write(int first, Picture rows)
    {
        try
        {
            RandomAccess.Write(_file, rows.Data, Offset(first));
        }
        catch (IOException error)
        {
            throw new MuralException($"Rows of a stage's picture cannot be written to {Path} ({error.Message.TrimEnd('.')}); free some space or choose another place.", error);
        }
    }

    /// <summary>Waits until all that was written is on the disk.</summary>
    internal void Flush() => RandomAccess.FlushToDisk(_file);

    public void Dispose() => _file.Dispose();

    private static long Bytes(long width, long height) => width * height * Channels;

    private long Offset(int row) => Bytes(Width, row);
}
