using Mural.Imaging;

namespace Mural.Training.Data;

/// <summary>
/// Brings a picture of any size to the square that a run trains on, as the official image pipeline does (spec section 5): composited on a
/// colour, halved with a box filter while the short side is at least twice the target, bicubic to the target's short side, centre crop.
/// </summary>
internal static class PictureDecoder
{
    /// <summary>Reads, resizes and crops one picture.</summary>
    /// <param name="path">The picture file.</param>
    /// <param name="background">Colour behind transparent pixels.</param>
    /// <param name="target">Receives the planes red, green, blue of <paramref name="size"/> x <paramref name="size"/> bytes.</param>
    /// <param name="size">Side of the square in pixels.</param>
    /// <exception cref="MuralException">The file is missing or broken.</exception>
    internal static void Read(string path, Rgb background, Span<byte> target, int size)
    {
        Picture picture = PictureReader.Read(path).ToRgb(background);
        byte[] pixels = (picture.Width == size && picture.Height == size ? picture : Fit(picture, size)).Data;
        int count = size * size;
        for (int i = 0; i < count; i++)
        {
            target[i] = pixels[3 * i];
            target[count + i] = pixels[3 * i + 1];
            target[2 * count + i] = pixels[3 * i + 2];
        }
    }

    private static Picture Fit(Picture picture, int size)
    {
        while (Math.Min(picture.Width, picture.Height) >= 2 * size)
            picture = PictureResizer.Resize(picture, picture.Width / 2, picture.Height / 2, ResizeFilter.Box);
        double scale = (double)size / Math.Min(picture.Width, picture.Height);
        int width = (int)Math.Round(picture.Width * scale), height = (int)Math.Round(picture.Height * scale);
        return PictureResizer.Resize(picture, width, height, ResizeFilter.Bicubic).Crop((width - size) / 2, (height - size) / 2, size, size);
    }
}
