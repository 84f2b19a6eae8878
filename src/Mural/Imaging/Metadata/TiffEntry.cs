using System.Buffers.Binary;

namespace Mural.Imaging;

/// <summary>One entry of a TIFF directory, the structure inside EXIF.</summary>
/// <param name="Tag">What it is.</param>
/// <param name="Type">Type of its values.</param>
/// <param name="Data">Its bytes.</param>
internal sealed record TiffEntry(ushort Tag, ushort Type, byte[] Data)
{
    internal const ushort Ascii = 2, Long = 4, Undefined = 7;
    private const int HeaderBytes = 8, EntryBytes = 12, InlineBytes = 4;

    /// <summary>A big-endian TIFF block with one directory and, where <paramref name="inner"/> is given, a second one behind the pointer <paramref name="pointerTag"/>.</summary>
    internal static byte[] Write(List<TiffEntry> main, ushort pointerTag, List<TiffEntry>? inner)
    {
        var outer = new List<TiffEntry>(main);
        if (inner is not null)
        {
            byte[] offset = new byte[4];
            BinaryPrimitives.WriteInt32BigEndian(offset, HeaderBytes + Size([.. main, new TiffEntry(pointerTag, Long, offset)]));
            outer.Add(new TiffEntry(pointerTag, Long, offset));
        }
        byte[] header = [(byte)'M', (byte)'M', 0, 42, 0, 0, 0, HeaderBytes];
        byte[] block = [.. header, .. Directory(outer, HeaderBytes)];
        return inner is null ? block : [.. block, .. Directory(inner, block.Length)];
    }

    /// <summary>The entries with byte values of the first directory and of the one behind <paramref name="pointerTag"/>; whatever points outside the block is left out.</summary>
    internal static List<TiffEntry> Read(ReadOnlySpan<byte> block, ushort pointerTag, out bool bigEndian)
    {
        bigEndian = block.StartsWith("MM"u8);
        var entries = new List<TiffEntry>();
        if (block.Length < HeaderBytes || !(bigEndian || block.StartsWith("II"u8))) return entries;
        ReadDirectory(block, Number(block[4..], bigEndian), bigEndian, entries);
        if (entries.Find(entry => entry.Tag == pointerTag) is { } pointer) ReadDirectory(block, Number(pointer.Data, bigEndian), bigEndian, entries);
        return entries;
    }

    private static void ReadDirectory(ReadOnlySpan<byte> block, uint start, bool bigEndian, List<TiffEntry> entries)
    {
        if (start > block.Length - 2) return;
        int count = Short(block[(int)start..], bigEndian);
        for (int i = 0; i < count; i++)
        {
            long at = start + 2L + i * EntryBytes;
            if (at > block.Length - EntryBytes) return;
            ReadOnlySpan<byte> entry = block.Slice((int)at, EntryBytes);
            ushort type = Short(entry[2..], bigEndian);
            long length = Number(entry[4..], bigEndian) * (type switch { Ascii or Undefined => 1L, Long => 4L, _ => 0L });
            if (length == 0) continue;
            long offset = length <= InlineBytes ? at + EntryBytes - InlineBytes : Number(entry[8..], bigEndian);
            if (offset > block.Length - length) continue;
            entries.Add(new TiffEntry(Short(entry, bigEndian), type, block.Slice((int)offset, (int)length).ToArray()));
        }
    }

    private static ushort Short(ReadOnlySpan<byte> bytes, bool bigEndian) =>
        bigEndian ? BinaryPrimitives.ReadUInt16BigEndian(bytes) : BinaryPrimitives.ReadUInt16LittleEndian(bytes);

    private static uint Number(ReadOnlySpan<byte> bytes, bool bigEndian) =>
        bytes.Length < 4 ? 0 : bigEndian ? BinaryPrimitives.ReadUInt32BigEndian(bytes) : BinaryPrimitives.ReadUInt32LittleEndian(bytes);

    private static int Size(List<TiffEntry> entries) =>
        2 + entries.Count * EntryBytes + 4 + entries.Sum(entry => entry.Data.Length <= InlineBytes ? 0 : Even(entry.Data.Length));

    private static int Even(int length) => length + (length & 1);

    // Count, entries, zero for "no next directory", then the data that does not fit into its entry, at even offsets.
    private static byte[] Directory(List<TiffEntry> entries, int start)
    {
        byte[] directory = new byte[Size(entries)];
        BinaryPrimitives.WriteUInt16BigEndian(directory, (ushort)entries.Count);
        int data = 2 + entries.Count * EntryBytes + 4;
        for (int i = 0; i < entries.Count; i++)
        {
            TiffEntry entry = entries[i];
            Span<byte> place = directory.AsSpan(2 + i * EntryBytes, EntryBytes);
            BinaryPrimitives.WriteUInt16BigEndian(place, entry.Tag);
            BinaryPrimitives.WriteUInt16BigEndian(place[2..], entry.Type);
            BinaryPrimitives.WriteInt32BigEndian(place[4..], entry.Type == Long ? entry.Data.Length / 4 : entry.Data.Length);
            if (entry.Data.Length <= InlineBytes)
            {
                entry.Data.CopyTo(place[8..]);
                continue;
            }
            BinaryPrimitives.WriteInt32BigEndian(place[8..], start + data);
            entry.Data.CopyTo(directory, data);
            data += Even(entry.Data.Length);
        }
        return directory;
    }
}
