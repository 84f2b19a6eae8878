namespace Mural.Imaging;

/// <summary>A rectangle of a picture, in pixels.</summary>
/// <param name="Left">First column.</param>
/// <param name="Top">First row.</param>
/// <param name="Right">Column behind the last one.</param>
/// <param name="Bottom">Row behind the last one.</param>
public readonly record struct CropRegion(int Left, int Top, int Right, int Bottom)
{
    /// <summary>Columns.</summary>
    public int Width => Right - Left;

    /// <summary>Rows.</summary>
    public int Height => Bottom - Top;

    /// <summary>
    /// The part of a picture to work on when only the masked place is repainted: the mask's bounds, padded, then widened to the proportions of the
    /// size that the model works at, as far as the picture goes.
    /// </summary>
    /// <param name="mask">One channel; whatever is not 0 belongs to the place.</param>
    /// <param name="width">Width that the model works at, in pixels.</param>
    /// <param name="height">Height that the model works at, in pixels.</param>
    /// <param name="padding">Pixels added on each side.</param>
    /// <exception cref="MuralException">The mask is empty.</exception>
    /// <exception cref="ArgumentException">The mask has more than one channel.</exception>
    public static CropRegion Around(Picture mask, int width, int height, int padding)
    {
        CropRegion bounds = Bounds(mask);
        (int left, int right) = (Math.Max(bounds.Left - padding, 0), Math.Min(bounds.Right + padding, mask.Width));
        (int top, int bottom) = (Math.Max(bounds.Top - padding, 0), Math.Min(bounds.Bottom + padding, mask.Height));
        double ratio = (double)width / height;
        if ((double)(right - left) / (bottom - top) > ratio) (top, bottom) = Widen(top, bottom, (right - left) / ratio, mask.Height);
        else (left, right) = Widen(left, right, (bottom - top) * ratio, mask.Width);
        return new CropRegion(left, top, right, bottom);
    }

    // Both sides grow alike; what would leave the picture at one side is added at the other.
    private static (int Start, int End) Widen(int start, int end, double wanted, int limit)
    {
        int growth = (int)(wanted - (end - start));
        start -= growth / 2;
        end += growth - growth / 2;
        if (end >= limit) (start, end) = (start - (end - limit), limit);
        if (start < 0) (start, end) = (0, end - start);
        return (start, Math.Min(end, limit));
    }

    private static CropRegion Bounds(Picture mask)
    {
        if (mask.Channels != 1) throw new ArgumentException($"A mask has one channel, not {mask.Channels}.", nameof(mask));
        int left = mask.Width, top = mask.Height, right = 0, bottom = 0;
        for (int y = 0; y < mask.Height; y++)
        {
            Span<byte> row = mask.Row(y);
            int first = row.IndexOfAnyExcept((byte)0);
            if (first < 0) continue;
            (left, right) = (Math.Min(left, first), Math.Max(right, row.LastIndexOfAnyExcept((byte)0) + 1));
            (top, bottom) = (Math.Min(top, y), y + 1);
        }
        if (right == 0) throw new MuralException("The mask is black everywhere, so there is nothing to repaint: paint the place white.");
        return new CropRegion(left, top, right, bottom);
    }
}
