namespace Mural.Imaging;

/// <summary>
/// A PNG file whose structure has been checked: header, order of chunks, palette and transparency, limits, length of the pixel data. libpng forgives
/// some of these, and inflates texts that nobody asked for; so it sees a file only after this check, and only the chunks that make the picture.
/// </summary>
internal sealed class PngStructure
{
    // What decides about pixels, colours and orientation.
    private static readonly HashSet<string> PictureChunks = ["IHDR", "PLTE", "tRNS", "IDAT", "IEND", "iCCP", "sRGB", "eXIf"];

    private readonly byte[] _file;

    private PngStructure(byte[] file, PngHeader header, List<PngChunk> chunks)
    {
        _file = file;
        Header = header;
        Chunks = chunks;
    }

    internal PngHeader Header { get; }

    internal IReadOnlyList<PngChunk> Chunks { get; }

    /// <summary>Checks everything but the compressed pixels.</summary>
    /// <exception cref="DamagedFileException">The structure breaks a rule of the PNG specification.</exception>
    /// <exception cref="MuralException">The picture is larger than the limits.</exception>
    internal static PngStructure Parse(string name, byte[] file, ImageLimits limits)
    {
        List<PngChunk> chunks = PngChunk.ReadAll(file);
        if (chunks[0].Type != "IHDR") throw new DamagedFileException($"its first chunk is {chunks[0].Type} instead of the header IHDR");
        PngHeader header = PngHeader.Parse(chunks[0].Data(file));
        limits.Check(name, header.Width, header.Height);
        CheckOrder(chunks);
        PngPalette.Check(header, file, chunks);
        return new PngStructure(file, header, chunks);
    }

    /// <summary>Checks the compressed pixels too.</summary>
    /// <exception cref="DamagedFileException">They are broken, or not what the header promises.</exception>
    internal void CheckPixelData() => PngPixelData.Check(Header, _file, [.. Chunks.Where(chunk => chunk.Type == "IDAT")]);

    /// <summary>The file with nothing in it but what makes the picture.</summary>
    internal byte[] WithoutExtras()
    {
        if (Chunks.All(chunk => PictureChunks.Contains(chunk.Type))) return _file;
        using var target = new MemoryStream(_file.Length);
        target.Write(PictureFormats.PngSignature);
        foreach (PngChunk chunk in Chunks.Where(chunk => PictureChunks.Contains(chunk.Type))) target.Write(_file.AsSpan(chunk.Start, chunk.End - chunk.Start));
        return target.ToArray();
    }

    private static void CheckOrder(List<PngChunk> chunks)
    {
        if (chunks.Count(chunk => chunk.Type == "IHDR") > 1) throw new DamagedFileException("it has more than one header");
        if (chunks[^1].Length != 0) throw new DamagedFileException($"its end chunk has {chunks[^1].Length} bytes instead of none");
        foreach (PngChunk chunk in chunks)
            if (chunk.IsCritical && chunk.Type is not ("IHDR" or "PLTE" or "IDAT" or "IEND"))
                throw new DamagedFileException($"it needs the unknown chunk {chunk.Type} to be understood");
        int first = chunks.FindIndex(chunk => chunk.Type == "IDAT"), last = chunks.FindLastIndex(chunk => chunk.Type == "IDAT");
        if (first < 0) throw new DamagedFileException("it has no pixel data");
        for (int i = first; i <= last; i++)
            if (chunks[i].Type != "IDAT") throw new DamagedFileException($"its pixel data is interrupted by the chunk {chunks[i].Type}");
    }
}
