namespace Mural.Imaging;

/// <summary>Pillow's <c>ImageFilter.GaussianBlur</c>: three box blurs of a fractional width that together have the variance wanted.</summary>
internal static class GaussianBlur
{
    private const int Boxes = 3;
    private const int FractionBits = 24;

    /// <summary>Blurs every channel; the border pixel continues outside.</summary>
    /// <param name="picture">The picture.</param>
    /// <param name="radius">Standard deviation in pixels; 0 changes nothing.</param>
    internal static Picture Apply(Picture picture, float radius)
    {
        float box = BoxRadius(radius);
        var result = new Picture(picture.Width, picture.Height, picture.Channels, [.. picture.Data]);
        if (box == 0) return result;
        int channels = picture.Channels, stride = picture.Width * channels;
        for (int y = 0; y < picture.Height; y++)
            for (int c = 0; c < channels; c++) BlurLine(result.Data, y * stride + c, channels, picture.Width, box);
        for (int column = 0; column < stride; column++) BlurLine(result.Data, column, stride, picture.Height, box);
        return result;
    }

    // Gwosdek, Grewenig, Bruhn and Weickert, "Theoretical foundations of Gaussian convolution by extended box filtering", equations 7, 11 and 14.
    private static float BoxRadius(float radius)
    {
        float variance = radius * radius / Boxes;
        float length = MathF.Sqrt(12 * variance + 1);
        float whole = MathF.Floor((length - 1) / 2);
        float fraction = (2 * whole + 1) * (whole * (whole + 1) - 3 * variance) / (6 * (variance - (whole + 1) * (whole + 1)));
        return whole + fraction;
    }

    private static void BlurLine(byte[] data, int start, int step, int count, float radius)
    {
        byte[] line = new byte[count];
        for (int pass = 0; pass < Boxes; pass++)
        {
            for (int i = 0; i < count; i++) line[i] = data[start + i * step];
            BoxLine(line, data, start, step, (int)radius, radius);
        }
    }

    // The window's inner pixels weigh the same; the two at its ends weigh what the radius has left beyond the whole number.
    private static void BoxLine(byte[] line, byte[] data, int start, int step, int reach, float radius)
    {
        uint inner = (uint)((1 << FractionBits) / (radius * 2 + 1)), outer = ((1u << FractionBits) - (uint)(reach * 2 + 1) * inner) / 2;
        int last = line.Length - 1;
        uint sum = 0;
        for (int i = -reach; i <= reach; i++) sum += line[Math.Clamp(i, 0, last)];
        for (int i = 0; i <= last; i++)
        {
            byte before = line[Math.Max(i - reach - 1, 0)], after = line[Math.Min(i + reach + 1, last)];
            data[start + i * step] = (byte)(sum * inner + (uint)(before + after) * outer + (1u << (FractionBits - 1)) >> FractionBits);
            sum += after;
            sum -= line[Math.Max(i - reach, 0)];
        }
    }
}
