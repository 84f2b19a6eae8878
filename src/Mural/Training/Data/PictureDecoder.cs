using Mural.Imaging;
using NetVips;

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
        byte[] pixels = picture.Width == size && picture.Height == size ? picture.Data : Fit(picture, size);
        int count = size * size;
        for (int i = 0; i < count; i++)
        {
            target[i] = pixels[3 * i];
            target[count + i] = pixels[3 * i + 1];
            target[2 * count + i] = pixels[3 * i + 2];
        }
    }

    private static byte[] Fit(Picture picture, int size)
    {
        Image current = Image.NewFromMemory(picture.Data, picture.Width, picture.Height, picture.Channels, Enums.BandFormat.Uchar);
        while (Math.Min(current.Width, current.Height) >= 2 * size) current = Replace(current, current.Shrink(2, 2));
        int shorter = Math.Min(current.Width, current.Height);
        if (shorter != size)
        {
            double width = Math.Round(current.Width * (double)size / shorter), height = Math.Round(current.Height * (double)size / shorter);
            current = Replace(current, current.Resize(width / current.Width, Enums.Kernel.Cubic, vscale: height / current.Height));
        }
        using Image square = Replace(current, current.Crop((current.Width - size) / 2, (current.Height - size) / 2, size, size));
        return square.WriteToMemory<byte>();
    }

    private static Image Replace(Image old, Image next)
    {
        old.Dispose();
        return next;
    }
}
