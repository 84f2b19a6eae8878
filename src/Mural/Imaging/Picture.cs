namespace Mural.Imaging;

/// <summary>
/// A picture of 8-bit sRGB samples in memory: rows from top to bottom, pixels from left to right, the channels of a pixel together (<c>[H, W, C]</c>).
/// One channel is grey, three are red, green and blue, four add alpha that is not premultiplied.
/// </summary>
public sealed class Picture
{
    /// <summary>Creates a picture over <paramref name="data"/>, which is not copied; without data the picture is black (and transparent, with four channels).</summary>
    /// <param name="width">Width in pixels, at least 1.</param>
    /// <param name="height">Height in pixels, at least 1.</param>
    /// <param name="channels">1 (grey), 3 (RGB) or 4 (RGB and alpha).</param>
    /// <param name="data">Samples, <c>[H, W, C]</c>.</param>
    /// <exception cref="ArgumentException">A size is not positive, the channels are not 1, 3 or 4, or the data has another length.</exception>
    public Picture(int width, int height, int channels, byte[]? data = null)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(width, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(height, 1);
        if (channels is not (1 or 3 or 4)) throw new ArgumentException($"A picture has 1, 3 or 4 channels, not {channels}.", nameof(channels));
        long length = (long)width * height * channels;
        if (length > Array.MaxLength)
            throw new MuralException(
                $"A picture of {width}x{height} pixels with {channels} channels does not fit into one array: at most {Array.MaxLength} samples do, so use a smaller one.");
        if (data is not null && data.Length != length) throw new ArgumentException($"{width}x{height}x{channels} samples were expected, {data.Length} given.", nameof(data));
        Width = width;
        Height = height;
        Channels = channels;
        Data = data ?? new byte[length];
    }

    /// <summary>Width in pixels.</summary>
    public int Width { get; }

    /// <summary>Height in pixels.</summary>
    public int Height { get; }

    /// <summary>1 (grey), 3 (RGB) or 4 (RGB and alpha).</summary>
    public int Channels { get; }

    /// <summary>Samples, <c>[H, W, C]</c>; changing them changes the picture.</summary>
    public byte[] Data { get; }

    /// <summary>Whether the last of four channels is alpha.</summary>
    public bool HasAlpha => Channels == 4;

    /// <summary>Samples of one row.</summary>
    public Span<byte> Row(int row) => Data.AsSpan(row * Width * Channels, Width * Channels);

    /// <summary>A picture of one colour.</summary>
    public static Picture Filled(int width, int height, Rgb colour)
    {
        var picture = new Picture(width, height, 3);
        for (int i = 0; i < picture.Data.Length; i += 3) (picture.Data[i], picture.Data[i + 1], picture.Data[i + 2]) = (colour.Red, colour.Green, colour.Blue);
        return picture;
    }

    /// <summary>The picture with three channels: grey is repeated, alpha is laid over <paramref name="background"/> (white where none is given).</summary>
    public Picture ToRgb(Rgb? background = null)
    {
        if (Channels == 3) return this;
        var result = new Picture(Width, Height, 3);
        if (Channels == 1)
        {
            for (int i = 0; i < Data.Length; i++) result.Data.AsSpan(3 * i, 3).Fill(Data[i]);
            return result;
        }
        Rgb below = background ?? Rgb.White;
        for (int i = 0, o = 0; i < Data.Length; i += 4, o += 3)
        {
            int alpha = Data[i + 3];
            result.Data[o] = Over(Data[i], below.Red, alpha);
            result.Data[o + 1] = Over(Data[i + 1], below.Green, alpha);
            result.Data[o + 2] = Over(Data[i + 2], below.Blue, alpha);
        }
        return result;
    }

    /// <summary>The picture with four channels: grey is repeated, missing alpha is 255.</summary>
    public Picture ToRgba()
    {
        if (Channels == 4) return this;
        var result = new Picture(Width, Height, 4);
        for (int pixel = 0; pixel < Width * Height; pixel++)
        {
            for (int c = 0; c < 3; c++) result.Data[4 * pixel + c] = Data[Channels == 1 ? pixel : 3 * pixel + c];
            result.Data[4 * pixel + 3] = 255;
        }
        return result;
    }

    /// <summary>The picture with one channel: luma by Pillow's integer weights, (19595 R + 38470 G + 7471 B + 32768) >> 16; alpha is dropped.</summary>
    public Picture ToGrey()
    {
        if (Channels == 1) return this;
        var result = new Picture(Width, Height, 1);
        for (int pixel = 0, i = 0; i < Data.Length; pixel++, i += Channels)
            result.Data[pixel] = (byte)((19595 * Data[i] + 38470 * Data[i + 1] + 7471 * Data[i + 2] + 32768) >> 16);
        return result;
    }

    /// <summary>A copy of the rectangle that starts at (<paramref name="left"/>, <paramref name="top"/>).</summary>
    /// <exception cref="ArgumentException">The rectangle reaches outside the picture.</exception>
    public Picture Crop(int left, int top, int width, int height)
    {
        if (left < 0 || top < 0 || left > Width - width || top > Height - height)
            throw new ArgumentException($"The rectangle {width}x{height} at ({left}, {top}) is not inside {Width}x{Height} pixels.");
        var result = new Picture(width, height, Channels);
        for (int row = 0; row < height; row++) Row(top + row).Slice(left * Channels, width * Channels).CopyTo(result.Row(row));
        return result;
    }

    /// <summary>A copy with left and right exchanged.</summary>
    public Picture FlipHorizontally()
    {
        var result = new Picture(Width, Height, Channels);
        for (int row = 0; row < Height; row++)
        {
            Span<byte> source = Row(row), target = result.Row(row);
            for (int x = 0; x < Width; x++) source.Slice(x * Channels, Channels).CopyTo(target[((Width - 1 - x) * Channels)..]);
        }
        return result;
    }

    /// <summary>Copies <paramref name="other"/>, which has the same number of channels, to (<paramref name="left"/>, <paramref name="top"/>).</summary>
    /// <exception cref="ArgumentException">The other picture has other channels or reaches outside this one.</exception>
    public void Paste(Picture other, int left, int top)
    {
        if (other.Channels != Channels) throw new ArgumentException($"A picture of {other.Channels} channels cannot be pasted into one of {Channels}.", nameof(other));
        if (left < 0 || top < 0 || left > Width - other.Width || top > Height - other.Height)
            throw new ArgumentException($"{other.Width}x{other.Height} pixels at ({left}, {top}) are not inside {Width}x{Height} pixels.", nameof(other));
        for (int row = 0; row < other.Height; row++) other.Row(row).CopyTo(Row(top + row)[(left * Channels)..]);
    }

    // Rounded to nearest.
    private static byte Over(int colour, int below, int alpha) => (byte)((colour * alpha + below * (255 - alpha) + 127) / 255);
}
