namespace Mural.Imaging;

/// <summary>What a picture file may ask for before it is refused: a few bytes of a file can claim gigabytes.</summary>
public sealed record ImageLimits
{
    /// <summary>Limits for ordinary use: pictures up to 16,384x16,384 pixels.</summary>
    public static ImageLimits Default { get; } = new();

    /// <summary>Most pixels of a picture.</summary>
    public long MaxPixels { get; init; } = 16_384L * 16_384;

    /// <summary>Most pixels of one side.</summary>
    public int MaxSide { get; init; } = 65_535;

    /// <summary>Most bytes that all text entries of one file may fill together, once decompressed.</summary>
    public int MaxTextBytes { get; init; } = 8 << 20;

    /// <summary>Most bytes of a file.</summary>
    public long MaxFileBytes { get; init; } = 1L << 30;

    /// <summary>Refuses a picture of more pixels than allowed.</summary>
    /// <param name="name">What the message calls the picture, usually its path.</param>
    /// <param name="width">Width that the file claims, in pixels.</param>
    /// <param name="height">Height that the file claims, in pixels.</param>
    /// <exception cref="MuralException">The picture is larger than the limits.</exception>
    public void Check(string name, long width, long height)
    {
        if (width > MaxSide || height > MaxSide)
            throw new MuralException($"{name} claims {width}x{height} pixels, but a side may have at most {MaxSide}: make the picture smaller or raise the limit.");
        if (width * height > MaxPixels)
            throw new MuralException($"{name} claims {width}x{height} pixels, but at most {MaxPixels} are read: make the picture smaller or raise the limit.");
    }
}
