namespace Mural.Imaging;

/// <summary>Alpha arithmetic on bytes with Pillow's roundings.</summary>
internal static class Alpha
{
    /// <summary>a*b/255, rounded to nearest, for bytes a and b.</summary>
    internal static int Multiply(int a, int b)
    {
        int product = a * b + 128;
        return (product >> 8) + product >> 8;
    }

    /// <summary>Colour times alpha, for a picture of four channels.</summary>
    internal static Picture Premultiply(Picture picture) => PerPixel(picture, (colour, alpha) => (byte)Multiply(colour, alpha));

    /// <summary>Colour divided by alpha, rounded down and cut at 255; where alpha is 0 the colour stays.</summary>
    internal static Picture Unpremultiply(Picture picture) =>
        PerPixel(picture, (colour, alpha) => alpha is 0 or 255 ? colour : (byte)Math.Min(255 * colour / alpha, 255));

    private static Picture PerPixel(Picture picture, Func<byte, byte, byte> colour)
    {
        var result = new Picture(picture.Width, picture.Height, 4);
        for (int i = 0; i < picture.Data.Length; i += 4)
        {
            byte alpha = result.Data[i + 3] = picture.Data[i + 3];
            for (int c = i; c < i + 3; c++) result.Data[c] = colour(picture.Data[c], alpha);
        }
        return result;
    }
}
