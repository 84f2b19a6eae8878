namespace Mural.Imaging;

/// <summary>Changes the size of pictures exactly as Pillow's <c>Image.resize</c> does.</summary>
public static class PictureResizer
{
    /// <summary>Resizes a picture, or the part of it inside <paramref name="box"/>. Colour is weighted by alpha, so that transparent pixels do not bleed.</summary>
    /// <param name="picture">The picture.</param>
    /// <param name="width">Width wanted, in pixels.</param>
    /// <param name="height">Height wanted, in pixels.</param>
    /// <param name="filter">How pixels are weighted.</param>
    /// <param name="box">The part to take; the whole where none is given.</param>
    /// <param name="order">Which axis comes first.</param>
    /// <returns>A new picture with the same channels.</returns>
    /// <exception cref="ArgumentException">A size is not positive or the box is not inside the picture.</exception>
    public static Picture Resize(
        Picture picture, int width, int height, ResizeFilter filter = ResizeFilter.Lanczos, ResizeBox? box = null, ResizeOrder order = ResizeOrder.Pillow13)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(width, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(height, 1);
        ResizeBox part = box ?? ResizeBox.Whole(picture.Width, picture.Height);
        part.Check(picture.Width, picture.Height);
        if ((width, height) == (picture.Width, picture.Height) && part == ResizeBox.Whole(width, height)) return picture.Crop(0, 0, width, height);
        if (filter == ResizeFilter.Nearest) return Nearest(picture, width, height, part);
        if (!picture.HasAlpha) return Filtered(picture, width, height, filter, part, order);
        return Alpha.Unpremultiply(Filtered(Alpha.Premultiply(picture), width, height, filter, part, order));
    }

    // A pass that changes neither size nor box is skipped, as Pillow does: its rounding would not be neutral.
    private static Picture Filtered(Picture picture, int width, int height, ResizeFilter filter, ResizeBox box, ResizeOrder order)
    {
        ResizeTaps? across = width == picture.Width && box.Left == 0 && box.Right == width ? null : ResizeTaps.Make(filter, picture.Width, box.Left, box.Right, width);
        ResizeTaps? down = height == picture.Height && box.Top == 0 && box.Bottom == height ? null : ResizeTaps.Make(filter, picture.Height, box.Top, box.Bottom, height);
        int shrinks = picture.Height - height;
        bool heightFirst = order == ResizeOrder.Pillow13 && shrinks > 0 && shrinks > 2 * (picture.Width - width);
        Picture result = picture;
        if (heightFirst && down is not null) result = ResizePasses.Vertical(result, down);
        if (across is not null) result = ResizePasses.Horizontal(result, across);
        if (!heightFirst && down is not null) result = ResizePasses.Vertical(result, down);
        return result == picture ? picture.Crop(0, 0, width, height) : result;
    }

    private static Picture Nearest(Picture picture, int width, int height, ResizeBox box)
    {
        int[] columns = NearestIndices(picture.Width, box.Left, box.Right, width), rows = NearestIndices(picture.Height, box.Top, box.Bottom, height);
        var result = new Picture(width, height, picture.Channels);
        int channels = picture.Channels;
        for (int y = 0; y < height; y++)
        {
            ReadOnlySpan<byte> source = picture.Row(rows[y]);
            Span<byte> target = result.Row(y);
            for (int x = 0; x < width; x++) source.Slice(columns[x] * channels, channels).CopyTo(target[(x * channels)..]);
        }
        return result;
    }

    internal static int[] NearestIndices(int source, float from, float to, int target)
    {
        // Added up as Pillow does: where a pixel's middle falls on a border, the rounding of the sum decides.
        double scale = (double)(to - from) / target, at = from + scale * 0.5;
        int[] indices = new int[target];
        for (int i = 0; i < target; i++, at += scale) indices[i] = Math.Min((int)Math.Floor(at), source - 1);
        return indices;
    }
}
