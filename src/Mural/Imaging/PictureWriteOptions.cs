namespace Mural.Imaging;

/// <summary>How a picture is encoded.</summary>
public sealed record PictureWriteOptions
{
    /// <summary>Quality of JPEG and lossy WebP, 1 to 100.</summary>
    public int Quality { get; init; } = 95;

    /// <summary>Whether WebP keeps every pixel as it is.</summary>
    public bool Lossless { get; init; }

    /// <summary>Effort of PNG's compression, 0 (none) to 9.</summary>
    public int Compression { get; init; } = 6;

    /// <summary>Colour that shows through transparency where the format has none (JPEG).</summary>
    public Rgb Background { get; init; } = Rgb.White;
}
