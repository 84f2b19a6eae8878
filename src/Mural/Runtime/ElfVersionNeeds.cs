using System.Buffers.Binary;
using System.Text;

namespace Mural.Runtime;

/// <summary>
/// Marks one symbol version that a 64-bit ELF library needs as weak, so that the loader accepts a library without it.
/// Sound only when nothing is called under that version, which is verified here: the single symbol bound to it must be the
/// marker that a C++ header leaves behind.
/// </summary>
internal static class ElfVersionNeeds
{
    internal const string MarkerVersion = "GLIBCXX_3.4.32";
    private const string MarkerSymbol = "_ZSt21ios_base_library_initv";
    private const ushort WeakFlag = 0x2; // VER_FLG_WEAK
    private const uint DynamicSymbols = 11, VersionTable = 0x6fffffff, VersionNeeds = 0x6ffffffe;

    /// <summary>Changes <paramref name="file"/> in place; false when it is no such library or the version is needed for more than the marker.</summary>
    internal static bool TryMakeMarkerWeak(byte[] file)
    {
        try
        {
            return MakeMarkerWeak(file);
        }
        catch (ArgumentOutOfRangeException)
        {
            return false; // An offset of a damaged file points outside.
        }
    }

    private static bool MakeMarkerWeak(byte[] file)
    {
        if (file.Length < 64 || !file.AsSpan(0, 4).SequenceEqual("\u007fELF"u8) || file[4] != 2 || file[5] != 1) return false;
        Section? symbols = null, versions = null, needs = null;
        Section[] sections = ReadSections(file);
        foreach (Section section in sections)
        {
            if (section.Type == DynamicSymbols) symbols = section;
            else if (section.Type == VersionTable) versions = section;
            else if (section.Type == VersionNeeds) needs = section;
        }
        if (symbols is null || versions is null || needs is null) return false;

        int entry = FindVersion(file, needs, sections[needs.Link].Offset);
        if (entry < 0) return false;
        ushort index = Word(file, entry + 6); // vna_other
        int names = sections[symbols.Link].Offset;
        for (int symbol = 0; symbol < symbols.Size / 24; symbol++)
        {
            if ((Word(file, versions.Offset + symbol * 2) & 0x7fff) != index) continue;
            if (Text(file, names + (int)Double(file, symbols.Offset + symbol * 24)) != MarkerSymbol) return false;
        }
        ushort flags = Word(file, entry + 4); // vna_flags
        BinaryPrimitives.WriteUInt16LittleEndian(file.AsSpan(entry + 4), (ushort)(flags | WeakFlag));
        return true;
    }

    private static int FindVersion(byte[] file, Section needs, int names)
    {
        int library = needs.Offset;
        while (true)
        {
            int count = Word(file, library + 2), entry = library + (int)Double(file, library + 8);
            for (int i = 0; i < count; i++)
            {
                if (Text(file, names + (int)Double(file, entry + 8)) == MarkerVersion) return entry;
                entry += (int)Double(file, entry + 12);
            }
            uint next = Double(file, library + 12);
            if (next == 0) return -1;
            library += (int)next;
        }
    }

    private sealed record Section(uint Type, int Offset, int Size, int Link);

    private static Section[] ReadSections(byte[] file)
    {
        int table = (int)BinaryPrimitives.ReadUInt64LittleEndian(file.AsSpan(40)), size = Word(file, 58), count = Word(file, 60);
        var sections = new Section[count];
        for (int i = 0; i < count; i++)
        {
            ReadOnlySpan<byte> header = file.AsSpan(table + i * size, 64);
            sections[i] = new Section(
                BinaryPrimitives.ReadUInt32LittleEndian(header[4..]),
                (int)BinaryPrimitives.ReadUInt64LittleEndian(header[24..]),
                (int)BinaryPrimitives.ReadUInt64LittleEndian(header[32..]),
                (int)BinaryPrimitives.ReadUInt32LittleEndian(header[40..]));
        }
        return sections;
    }

    private static ushort Word(byte[] file, int offset) => BinaryPrimitives.ReadUInt16LittleEndian(file.AsSpan(offset));

    private static uint Double(byte[] file, int offset) => BinaryPrimitives.ReadUInt32LittleEndian(file.AsSpan(offset));

    private static string Text(byte[] file, int offset)
    {
        ReadOnlySpan<byte> rest = file.AsSpan(offset);
        int end = rest.IndexOf((byte)0);
        return Encoding.ASCII.GetString(end < 0 ? rest : rest[..end]);
    }
}
