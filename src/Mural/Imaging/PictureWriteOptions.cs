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

    /// <summary>Whether the texts in a PNG file are compressed; some programs read only plain ones.</summary>
    public bool CompressTexts { get; init; }

    /// <summary>Colour that shows through transparency where the format has none (JPEG).</summary>
    public Rgb Background { get; init; } = Rgb.White;
}
