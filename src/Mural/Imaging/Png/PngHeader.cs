using System.Buffers.Binary;

namespace Mural.Imaging;

/// <summary>What the first chunk, IHDR, says of the picture.</summary>
/// <param name="Width">Pixels, 1 to 2^31 - 1.</param>
/// <param name="Height">Pixels, 1 to 2^31 - 1.</param>
/// <param name="BitDepth">Bits a sample or palette index.</param>
/// <param name="Colour">How pixels are stored.</param>
/// <param name="Interlaced">Whether the rows come in Adam7's seven passes.</param>
internal sealed record PngHeader(int Width, int Height, int BitDepth, PngColour Colour, bool Interlaced)
{
    private const int Length = 13;

    /// <summary>Bits of one pixel in the file.</summary>
    internal int BitsPerPixel => BitDepth * Colour switch
    {
        PngColour.Rgb => 3,
        PngColour.GreyAlpha => 2,
        PngColour.Rgba => 4,
        _ => 1,
    };

    /// <exception cref="DamagedFileException">A value is not allowed.</exception>
    internal static PngHeader Parse(ReadOnlySpan<byte> data)
    {
        if (data.Length != Length) throw new DamagedFileException($"its header has {data.Length} bytes instead of {Length}");
        uint width = BinaryPrimitives.ReadUInt32BigEndian(data), height = BinaryPrimitives.ReadUInt32BigEndian(data[4..]);
        if (width is 0 or > int.MaxValue || height is 0 or > int.MaxValue) throw new DamagedFileException($"its header claims {width}x{height} pixels");
        int depth = data[8];
        var colour = (PngColour)data[9];
        int[] depths = colour switch
        {
            PngColour.Grey => [1, 2, 4, 8, 16],
            PngColour.Palette => [1, 2, 4, 8],
            PngColour.Rgb or PngColour.GreyAlpha or PngColour.Rgba => [8, 16],
            _ => throw new DamagedFileException($"its header has the unknown colour type {data[9]}"),
        };
        if (!depths.Contains(depth)) throw new DamagedFileException($"its header has {depth} bits for colour type {data[9]}, which allows {string.Join(", ", depths)}");
        if (data[10] != 0) throw new DamagedFileException($"its header has the unknown compression method {data[10]}");
        if (data[11] != 0) throw new DamagedFileException($"its header has the unknown filter method {data[11]}");
        if (data[12] > 1) throw new DamagedFileException($"its header has the unknown interlace method {data[12]}");
        return new PngHeader((int)width, (int)height, depth, colour, data[12] == 1);
    }
}

/// <summary>PNG's colour types, with their numbers in the file.</summary>
internal enum PngColour
{
    Grey = 0,
    Rgb = 2,
    Palette = 3,
    GreyAlpha = 4,
    Rgba = 6,
}
