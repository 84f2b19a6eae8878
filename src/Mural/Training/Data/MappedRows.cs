using System.IO.MemoryMappedFiles;

namespace Mural.Training.Data;

/// <summary>A file of equally long rows of bytes, memory-mapped.</summary>
internal sealed class MappedRows : IDisposable
{
    private readonly MemoryMappedFile _map;
    private readonly MemoryMappedViewAccessor _view;
    private readonly long _rowBytes;

    /// <param name="path">The file.</param>
    /// <param name="rows">How many rows it must hold.</param>
    /// <param name="rowBytes">Bytes of a row.</param>
    /// <exception cref="MuralException">The file has another length.</exception>
    internal MappedRows(string path, long rows, long rowBytes)
    {
        long length = new FileInfo(path).Length;
        if (length != rows * rowBytes) throw new MuralException($"The cache '{path}' has {length:N0} bytes where {rows * rowBytes:N0} are expected; delete it and start again.");
        _map = MemoryMappedFile.CreateFromFile(path, FileMode.Open, null, 0, MemoryMappedFileAccess.Read);
        _view = _map.CreateViewAccessor(0, 0, MemoryMappedFileAccess.Read);
        _rowBytes = rowBytes;
    }

    /// <summary>Copies rows one after the other into <paramref name="target"/>.</summary>
    internal unsafe void Copy(ReadOnlySpan<int> rows, Span<byte> target)
    {
        byte* source = null;
        _view.SafeMemoryMappedViewHandle.AcquirePointer(ref source);
        try
        {
            for (int i = 0; i < rows.Length; i++)
                new ReadOnlySpan<byte>(source + _view.PointerOffset + rows[i] * _rowBytes, (int)_rowBytes).CopyTo(target[(int)(i * _rowBytes)..]);
        }
        finally
        {
            _view.SafeMemoryMappedViewHandle.ReleasePointer();
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _view.Dispose();
        _map.Dispose();
    }
}
