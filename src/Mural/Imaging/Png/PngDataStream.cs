namespace Mural.Imaging;

/// <summary>The data of several chunks of a file, read as one stream without copying them together.</summary>
internal sealed class PngDataStream(byte[] file, IReadOnlyList<PngChunk> chunks) : Stream
{
    private int _chunk;
    private int _offset;

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => throw new NotSupportedException();

    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    public override int Read(Span<byte> buffer)
    {
        // Empty chunks are allowed and skipped: zero bytes would mean the end.
        while (_chunk < chunks.Count && _offset == chunks[_chunk].Length) (_chunk, _offset) = (_chunk + 1, 0);
        if (_chunk == chunks.Count) return 0;
        ReadOnlySpan<byte> rest = chunks[_chunk].Data(file)[_offset..];
        int count = Math.Min(rest.Length, buffer.Length);
        rest[..count].CopyTo(buffer);
        _offset += count;
        return count;
    }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override void Flush() { }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
}
