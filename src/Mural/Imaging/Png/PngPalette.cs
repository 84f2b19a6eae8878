namespace Mural.Imaging;

/// <summary>The rules of palette (PLTE) and simple transparency (tRNS): PNG specification, 11.2.2 and 11.3.1.1.</summary>
internal static class PngPalette
{
    private const int EntryBytes = 3;

    /// <exception cref="DamagedFileException">One of them is missing, misplaced or of a wrong length.</exception>
    internal static void Check(PngHeader header, ReadOnlySpan<byte> file, List<PngChunk> chunks)
    {
        int data = chunks.FindIndex(chunk => chunk.Type == "IDAT");
        int palette = OnlyOne(chunks, "PLTE", data), transparency = OnlyOne(chunks, "tRNS", data);
        int entries = palette < 0 ? 0 : Entries(header, chunks[palette].Length);
        if (header.Colour == PngColour.Palette && palette < 0) throw new DamagedFileException("it has colours from a palette, but no palette");
        if (transparency < 0) return;
        if (palette > transparency) throw new DamagedFileException("its transparency stands before its palette");
        CheckTransparency(header, chunks[transparency].Length, entries);
    }

    private static int OnlyOne(List<PngChunk> chunks, string type, int data)
    {
        int first = chunks.FindIndex(chunk => chunk.Type == type);
        if (first < 0) return first;
        if (first > data) throw new DamagedFileException($"the chunk {type} stands behind the pixel data instead of before it");
        if (chunks.FindLastIndex(chunk => chunk.Type == type) != first) throw new DamagedFileException($"the chunk {type} stands there twice");
        return first;
    }

    private static int Entries(PngHeader header, int length)
    {
        if (header.Colour is PngColour.Grey or PngColour.GreyAlpha) throw new DamagedFileException("it is grey, but has a palette");
        int entries = length / EntryBytes, most = header.Colour == PngColour.Palette ? 1 << header.BitDepth : 256;
        if (length % EntryBytes != 0 || entries == 0 || entries > most)
            throw new DamagedFileException($"its palette has {length} bytes instead of {EntryBytes} for each of 1 to {most} colours");
        return entries;
    }

    private static void CheckTransparency(PngHeader header, int length, int entries)
    {
        bool right = header.Colour switch
        {
            PngColour.Grey => length == 2,
            PngColour.Rgb => length == 6,
            PngColour.Palette => length >= 1 && length <= entries,
            _ => false,
        };
        if (!right) throw new DamagedFileException($"its transparency has {length} bytes, which do not fit colour type {(int)header.Colour}");
    }
}
