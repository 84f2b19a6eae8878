using System.Buffers.Binary;
using System.Text;

namespace Mural.Checkpoints;

/// <summary>An entry of a zip archive; its data lies as it is in the file.</summary>
internal readonly record struct ZipEntry(string Name, int Method, bool Encrypted, long StoredBytes, long Bytes, long HeaderOffset);

/// <summary>
/// The central directory of a zip archive (PKWARE APPNOTE 6.3.10), with ZIP64, read where it lies. Sizes come from here only: PyTorch leaves them out of the
/// local headers. Nothing is ever unpacked; an entry's data is a range of the file.
/// </summary>
internal sealed class ZipDirectory
{
    private const int EndBytes = 22, Zip64LocatorBytes = 20, Zip64EndBytes = 56, CentralBytes = 46, LocalBytes = 30;
    private const uint EndMark = 0x06054b50, Zip64LocatorMark = 0x07064b50, Zip64EndMark = 0x06064b50, CentralMark = 0x02014b50, LocalMark = 0x04034b50;

    private readonly MappedFile _file;
    private readonly Dictionary<string, ZipEntry> _entries = [];

    private ZipDirectory(MappedFile file) => _file = file;

    internal IReadOnlyCollection<string> Names => _entries.Keys;

    /// <exception cref="MuralException">The archive is cut off or malformed.</exception>
    internal static ZipDirectory Read(MappedFile file, CheckpointLimits limits)
    {
        var directory = new ZipDirectory(file);
        (long count, long bytes, long offset, long limit) = directory.FindEnd();
        if (count > limits.ArchiveEntries) throw directory.Malformed($"it claims {count} entries where at most {limits.ArchiveEntries} are accepted");
        if (offset < 0 || bytes < 0 || offset > limit || bytes > limit - offset) throw directory.Malformed("its directory lies outside of the file");
        if (count > bytes / CentralBytes) throw directory.Malformed($"it claims {count} entries but its directory has only {bytes} bytes");
        directory.ReadEntries(count, offset, offset + bytes);
        return directory;
    }

    internal bool Has(string name) => _entries.ContainsKey(name);

    /// <summary>Where the data of a stored entry lies in the file.</summary>
    /// <exception cref="MuralException">The entry is missing, compressed, encrypted or lies outside of the file.</exception>
    internal (long Offset, long Bytes) Locate(string name)
    {
        if (!_entries.TryGetValue(name, out ZipEntry entry)) throw Malformed($"its entry {Quote.Name(name)} is missing");
        if (entry.Encrypted) throw Malformed($"its entry {Quote.Name(name)} is encrypted, which no checkpoint is");
        if (entry.Method != 0)
            throw new MuralException(
                $"{_file.Path} holds the entry {Quote.Name(name)} compressed (method {entry.Method}) where PyTorch stores it as it is; save it with PyTorch again.");
        if (entry.StoredBytes != entry.Bytes) throw Malformed($"its entry {Quote.Name(name)} is stored but has two sizes");
        if (entry.HeaderOffset > _file.Length - LocalBytes) throw Malformed($"its entry {Quote.Name(name)} begins outside of the file");
        ReadOnlySpan<byte> local = _file.Slice(entry.HeaderOffset, LocalBytes);
        if (BinaryPrimitives.ReadUInt32LittleEndian(local) != LocalMark) throw Malformed($"its entry {Quote.Name(name)} has no header where the directory says");
        long start = entry.HeaderOffset + LocalBytes + BinaryPrimitives.ReadUInt16LittleEndian(local[26..]) + BinaryPrimitives.ReadUInt16LittleEndian(local[28..]);
        if (start > _file.Length || entry.Bytes > _file.Length - start) throw Malformed($"its entry {Quote.Name(name)} should take {entry.Bytes} bytes but the file ends before");
        return (start, entry.Bytes);
    }

    // The end record is the last thing in the file but for a comment of up to 64 KB.
    private (long Count, long Bytes, long Offset, long Limit) FindEnd()
    {
        if (_file.Length < EndBytes) throw CutOff();
        int searched = (int)Math.Min(_file.Length, EndBytes + ushort.MaxValue);
        ReadOnlySpan<byte> tail = _file.Slice(_file.Length - searched, searched);
        for (int at = searched - EndBytes; at >= 0; at--)
        {
            ReadOnlySpan<byte> end = tail[at..];
            if (BinaryPrimitives.ReadUInt32LittleEndian(end) != EndMark || BinaryPrimitives.ReadUInt16LittleEndian(end[20..]) != end.Length - EndBytes) continue;
            long position = _file.Length - searched + at;
            if (BinaryPrimitives.ReadUInt16LittleEndian(end[4..]) is not (0 or 0xFFFF)) throw Malformed("it is one part of a split archive");
            ushort count = BinaryPrimitives.ReadUInt16LittleEndian(end[10..]);
            uint bytes = BinaryPrimitives.ReadUInt32LittleEndian(end[12..]), offset = BinaryPrimitives.ReadUInt32LittleEndian(end[16..]);
            return count == ushort.MaxValue || bytes == uint.MaxValue || offset == uint.MaxValue ? FindZip64End(position) : (count, bytes, offset, position);
        }
        throw CutOff();
    }

    private (long Count, long Bytes, long Offset, long Limit) FindZip64End(long end)
    {
        if (end < Zip64LocatorBytes + Zip64EndBytes) throw Malformed("its ZIP64 end record is missing");
        ReadOnlySpan<byte> locator = _file.Slice(end - Zip64LocatorBytes, Zip64LocatorBytes);
        if (BinaryPrimitives.ReadUInt32LittleEndian(locator) != Zip64LocatorMark) throw Malformed("its ZIP64 locator is missing");
        long position = BinaryPrimitives.ReadInt64LittleEndian(locator[8..]);
        if (position < 0 || position > end - Zip64LocatorBytes - Zip64EndBytes) throw Malformed("its ZIP64 end record lies outside of the file");
        ReadOnlySpan<byte> record = _file.Slice(position, Zip64EndBytes);
        if (BinaryPrimitives.ReadUInt32LittleEndian(record) != Zip64EndMark) throw Malformed("its ZIP64 end record is missing");
        long count = BinaryPrimitives.ReadInt64LittleEndian(record[32..]);
        if (count < 0) throw Malformed("its ZIP64 end record counts more entries than can be counted");
        return (count, BinaryPrimitives.ReadInt64LittleEndian(record[40..]), BinaryPrimitives.ReadInt64LittleEndian(record[48..]), position);
    }

    private void ReadEntries(long count, long offset, long end)
    {
        for (long i = 0; i < count; i++)
        {
            if (end - offset < CentralBytes) throw Malformed("its directory is cut off");
            ReadOnlySpan<byte> fixedPart = _file.Slice(offset, CentralBytes);
            if (BinaryPrimitives.ReadUInt32LittleEndian(fixedPart) != CentralMark) throw Malformed("its directory holds something other than entries");
            int nameBytes = BinaryPrimitives.ReadUInt16LittleEndian(fixedPart[28..]);
            int extraBytes = BinaryPrimitives.ReadUInt16LittleEndian(fixedPart[30..]);
            int commentBytes = BinaryPrimitives.ReadUInt16LittleEndian(fixedPart[32..]);
            offset += CentralBytes;
            if (end - offset < nameBytes + extraBytes + commentBytes) throw Malformed("its directory is cut off");
            string name = Encoding.UTF8.GetString(_file.Slice(offset, nameBytes));
            CheckName(name);
            ZipEntry entry = ReadEntry(name, fixedPart, _file.Slice(offset + nameBytes, extraBytes));
            if (!_entries.TryAdd(name, entry)) throw Malformed($"it holds the entry {Quote.Name(name)} twice");
            offset += nameBytes + extraBytes + commentBytes;
        }
    }

    private ZipEntry ReadEntry(string name, ReadOnlySpan<byte> fixedPart, ReadOnlySpan<byte> extra)
    {
        long stored = BinaryPrimitives.ReadUInt32LittleEndian(fixedPart[20..]);
        long bytes = BinaryPrimitives.ReadUInt32LittleEndian(fixedPart[24..]);
        long header = BinaryPrimitives.ReadUInt32LittleEndian(fixedPart[42..]);
        // What does not fit 32 bits follows, in this order, in the ZIP64 part of the extra field.
        ReadOnlySpan<byte> wide = Zip64Part(extra);
        if (bytes == uint.MaxValue) bytes = Take(ref wide, name);
        if (stored == uint.MaxValue) stored = Take(ref wide, name);
        if (header == uint.MaxValue) header = Take(ref wide, name);
        bool encrypted = (BinaryPrimitives.ReadUInt16LittleEndian(fixedPart[8..]) & 1) != 0;
        return new ZipEntry(name, BinaryPrimitives.ReadUInt16LittleEndian(fixedPart[10..]), encrypted, stored, bytes, header);
    }

    private static ReadOnlySpan<byte> Zip64Part(ReadOnlySpan<byte> extra)
    {
        while (extra.Length >= 4)
        {
            int id = BinaryPrimitives.ReadUInt16LittleEndian(extra), size = BinaryPrimitives.ReadUInt16LittleEndian(extra[2..]);
            if (size > extra.Length - 4) return [];
            if (id == 1) return extra.Slice(4, size);
            extra = extra[(4 + size)..];
        }
        return [];
    }

    private long Take(ref ReadOnlySpan<byte> wide, string name)
    {
        if (wide.Length < 8) throw Malformed($"its entry {Quote.Name(name)} lacks its 64-bit sizes");
        long value = BinaryPrimitives.ReadInt64LittleEndian(wide);
        if (value < 0) throw Malformed($"its entry {Quote.Name(name)} has a size beyond 63 bits");
        wide = wide[8..];
        return value;
    }

    // Nothing is unpacked, so such a name could do no harm here; but it is proof that the archive was made to harm.
    private void CheckName(string name)
    {
        if (name.StartsWith('/') || name.AsSpan().ContainsAny('\\', '\0') || name.Split('/').Contains(".."))
            throw new MuralException($"{_file.Path} holds an entry named {Quote.Name(name)}, which leads out of the archive; do not trust this file.");
    }

    private MuralException CutOff() => Malformed("its directory is missing, as when a download breaks off");

    private MuralException Malformed(string what) => new($"{_file.Path} is not a valid zip archive: {what}; download or save it again.");
}
