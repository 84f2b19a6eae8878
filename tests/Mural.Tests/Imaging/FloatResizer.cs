using Mural.Imaging;

namespace Mural.Tests.Imaging;

/// <summary>Changes the size of a plane of 32-bit numbers as Pillow does with pictures of mode F: the weights of all resizing, in double precision and with nothing cut.</summary>
internal static class FloatResizer
{
    /// <summary>Resizes a plane, or the part of it inside <paramref name="box"/>.</summary>
    /// <param name="plane">Samples, <c>[H, W]</c>.</param>
    /// <param name="width">Width wanted.</param>
    /// <param name="height">Height wanted.</param>
    /// <param name="filter">How samples are weighted.</param>
    /// <param name="box">The part to take; the whole where none is given.</param>
    /// <returns><c>[height, width]</c>.</returns>
    /// <exception cref="ArgumentException">A size is not positive or the box is not inside the plane.</exception>
    internal static float[,] Resize(float[,] plane, int width, int height, ResizeFilter filter = ResizeFilter.Lanczos, ResizeBox? box = null)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(width, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(height, 1);
        int sourceHeight = plane.GetLength(0), sourceWidth = plane.GetLength(1);
        ResizeBox part = box ?? ResizeBox.Whole(sourceWidth, sourceHeight);
        part.Check(sourceWidth, sourceHeight);
        if (filter == ResizeFilter.Nearest) return Nearest(plane, width, height, part);
        float[,] wide = width == sourceWidth && part.Left == 0 && part.Right == width
            ? plane
            : Horizontal(plane, ResizeTaps.Make(filter, sourceWidth, part.Left, part.Right, width));
        return height == sourceHeight && part.Top == 0 && part.Bottom == height
            ? (float[,])wide.Clone()
            : Vertical(wide, ResizeTaps.Make(filter, sourceHeight, part.Top, part.Bottom, height));
    }

    private static float[,] Nearest(float[,] plane, int width, int height, ResizeBox box)
    {
        int[] rows = PictureResizer.NearestIndices(plane.GetLength(0), box.Top, box.Bottom, height);
        int[] columns = PictureResizer.NearestIndices(plane.GetLength(1), box.Left, box.Right, width);
        var result = new float[height, width];
        for (int y = 0; y < height; y++)
            for (int x = 0; x < width; x++) result[y, x] = plane[rows[y], columns[x]];
        return result;
    }

    private static float[,] Horizontal(float[,] plane, ResizeTaps taps)
    {
        var result = new float[plane.GetLength(0), taps.Count];
        for (int y = 0; y < result.GetLength(0); y++)
            for (int x = 0; x < taps.Count; x++)
            {
                double sum = 0;
                int at = taps.Start(x);
                foreach (double weight in taps.Weights(x)) sum += plane[y, at++] * weight;
                result[y, x] = (float)sum;
            }
        return result;
    }

    private static float[,] Vertical(float[,] plane, ResizeTaps taps)
    {
        var result = new float[taps.Count, plane.GetLength(1)];
        for (int y = 0; y < taps.Count; y++)
            for (int x = 0; x < result.GetLength(1); x++)
            {
                double sum = 0;
                int at = taps.Start(y);
                foreach (double weight in taps.Weights(y)) sum += plane[at++, x] * weight;
                result[y, x] = (float)sum;
            }
        return result;
    }
}
