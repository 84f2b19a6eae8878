using System.IO.Compression;

namespace Mural.Imaging;

/// <summary>
/// Checks the compressed pixels without keeping them: the stream must give exactly the rows that the header promises, each with a known filter.
/// Nothing beyond the promised bytes is inflated, whatever the stream holds.
/// </summary>
internal static class PngPixelData
{
    private const int Filters = 5;

    // Adam7: first column and row, distance of columns and rows of each pass (PNG specification, 8.2).
    private static readonly (int Left, int Top, int StepX, int StepY)[] Adam7 =
        [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)];

    /// <exception cref="DamagedFileException">The stream is broken, too short, too long or has an unknown filter.</exception>
    internal static void Check(PngHeader header, byte[] file, IReadOnlyList<PngChunk> dataChunks)
    {
        using var inflated = new ZLibStream(new PngDataStream(file, dataChunks), CompressionMode.Decompress);
        try
        {
            foreach ((int width, int height) in Passes(header)) CheckRows(inflated, header, width, height);
            if (inflated.ReadByte() >= 0) throw new DamagedFileException($"its data holds more than the {header.Width}x{header.Height} pixels of its header");
        }
        catch (Exception exception) when (exception is InvalidDataException or IOException)
        {
            throw new DamagedFileException($"its compressed data is broken ({exception.Message.TrimEnd('.')})");
        }
    }

    private static IEnumerable<(int Width, int Height)> Passes(PngHeader header)
    {
        if (!header.Interlaced) return [(header.Width, header.Height)];
        return Adam7.Where(pass => pass.Left < header.Width && pass.Top < header.Height).Select(pass =>
            ((header.Width - pass.Left + pass.StepX - 1) / pass.StepX, (header.Height - pass.Top + pass.StepY - 1) / pass.StepY));
    }

    private static void CheckRows(ZLibStream inflated, PngHeader header, int width, int height)
    {
        byte[] row = new byte[1 + ((long)width * header.BitsPerPixel + 7) / 8];
        for (int y = 0; y < height; y++)
        {
            int read = inflated.ReadAtLeast(row, row.Length, throwOnEndOfStream: false);
            if (read < row.Length) throw new DamagedFileException($"its data ends before the {header.Width}x{header.Height} pixels of its header are complete");
            if (row[0] >= Filters) throw new DamagedFileException($"a row has the unknown filter {row[0]}");
        }
    }
}
