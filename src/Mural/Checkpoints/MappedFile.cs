using System.IO.MemoryMappedFiles;
using Mural.Runtime;

namespace Mural.Checkpoints;

/// <summary>A whole file mapped into memory for reading; only pages that are touched are loaded.</summary>
internal sealed unsafe class MappedFile : IDisposable
{
    private readonly MemoryMappedFile _map;
    private readonly MemoryMappedViewAccessor _view;
    private byte* _start;

    private MappedFile(string path, long length, MemoryMappedFile map)
    {
        Path = path;
        Length = length;
        _map = map;
        _view = map.CreateViewAccessor(0, length, MemoryMappedFileAccess.Read);
        _view.SafeMemoryMappedViewHandle.AcquirePointer(ref _start);
        _start += _view.PointerOffset;
    }

    internal string Path { get; }

    internal long Length { get; }

    /// <exception cref="MuralException">There is no file to read at the path.</exception>
    internal static MappedFile Open(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        if (Directory.Exists(path)) throw new MuralException($"{path} is a folder where a file was expected; name the file in it.");
        try
        {
            // Asked of the path, so that devices and pipes, which have no length, are refused without being opened.
            if (FileBytes.LengthOf(path) == 0)
                throw new MuralException($"{path} is empty where a checkpoint was expected; download or export it again.");
            using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, 1);
            // The map outlives the stream it was made from.
            var map = MemoryMappedFile.CreateFromFile(stream, null, 0, MemoryMappedFileAccess.Read, HandleInheritability.None, leaveOpen: true);
            return new MappedFile(path, stream.Length, map);
        }
        catch (Exception error) when (error is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new MuralException($"{path} does not exist; check the path.", error);
        }
        catch (UnauthorizedAccessException error)
        {
            throw new MuralException($"{path} may not be read by this user; change its permissions.", error);
        }
        catch (Exception error) when (error is IOException or ArgumentException or NotSupportedException)
        {
            throw new MuralException($"{path} cannot be read ({error.Message.TrimEnd('.')}); check the path and the disk.", error);
        }
    }

    /// <summary>A part of the file, valid until the file is disposed.</summary>
    internal ReadOnlySpan<byte> Slice(long offset, int length)
    {
        ObjectDisposedException.ThrowIf(_start is null, this);
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(offset, Length - length);
        return new ReadOnlySpan<byte>(_start + offset, length);
    }

    /// <summary>Lets a part that was read leave this process's memory: of a large file, only what is being read is held. It can be read again.</summary>
    internal void Release(long offset, long length)
    {
        ObjectDisposedException.ThrowIf(_start is null, this);
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(offset, Length - length);
        MappedPages.Release(_start + offset, length);
    }

    public void Dispose()
    {
        if (_start is null) return;
        _start = null;
        _view.SafeMemoryMappedViewHandle.ReleasePointer();
        _view.Dispose();
        _map.Dispose();
    }
}
