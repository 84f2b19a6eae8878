namespace Mural.Imaging;

/// <summary>How a picture's pixels are weighted when its size changes. All but <see cref="Nearest"/> widen when they shrink, so that nothing aliases.</summary>
public enum ResizeFilter
{
    /// <summary>The one pixel at the place.</summary>
    Nearest,

    /// <summary>The mean of the pixels covered.</summary>
    Box,

    /// <summary>A triangle over two pixels.</summary>
    Bilinear,

    /// <summary>A windowed cosine over two pixels, sharper than <see cref="Bilinear"/>.</summary>
    Hamming,

    /// <summary>Cubic convolution over four pixels, a = -0.5.</summary>
    Bicubic,

    /// <summary>A windowed sinc over six pixels.</summary>
    Lanczos,
}

/// <summary>Which axis is resized first. Between the passes samples are rounded and cut to bytes, so the order shows where a filter overshoots.</summary>
public enum ResizeOrder
{
    /// <summary>The order of Pillow 13: the height first where it shrinks by more than twice what the width does.</summary>
    Pillow13,

    /// <summary>The width first always, as Pillow up to 12.</summary>
    HorizontalFirst,
}

/// <summary>A part of a picture, in pixels with fractions.</summary>
/// <param name="Left">Left edge, 0 or more.</param>
/// <param name="Top">Top edge, 0 or more.</param>
/// <param name="Right">Right edge, up to the width.</param>
/// <param name="Bottom">Bottom edge, up to the height.</param>
public readonly record struct ResizeBox(float Left, float Top, float Right, float Bottom)
{
    /// <summary>The whole of a picture.</summary>
    public static ResizeBox Whole(int width, int height) => new(0, 0, width, height);

    internal void Check(int width, int height)
    {
        if (!(Left >= 0 && Top >= 0 && Right <= width && Bottom <= height && Left <= Right && Top <= Bottom))
            throw new ArgumentException($"The box ({Left}, {Top}, {Right}, {Bottom}) is not inside {width}x{height} pixels.");
    }
}
