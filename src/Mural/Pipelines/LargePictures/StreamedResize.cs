using Mural.Imaging;

namespace Mural.Pipelines;

/// <summary>Resizes a picture in a file to another file, some rows at a time; the same bytes as <see cref="PictureResizer"/> gives for a picture that grows.</summary>
internal static class StreamedResize
{
    private const int StripBytes = 64 << 20;

    /// <summary>Fills <paramref name="target"/> with <paramref name="source"/>, by Pillow's bicubic filter.</summary>
    internal static void Bicubic(RgbFile source, RgbFile target, CancellationToken cancellation, int stripBytes = StripBytes)
    {
        ResizeTaps across = ResizeTaps.Make(ResizeFilter.Bicubic, source.Width, 0, source.Width, target.Width);
        ResizeTaps down = ResizeTaps.Make(ResizeFilter.Bicubic, source.Height, 0, source.Height, target.Height);
        int strip = Math.Clamp(stripBytes / (3 * target.Width), 1, target.Height);
        for (int row = 0; row < target.Height; row += strip)
        {
            cancellation.ThrowIfCancellationRequested();
            int count = Math.Min(strip, target.Height - row);
            // As many rows as there are: each is itself, and the filter's neighbours are not needed.
            bool sameRows = target.Height == source.Height;
            (int first, int end) = sameRows ? (row, row + count) : down.Sources(row, count);
            Picture part = source.Read(first, end - first);
            if (target.Width != source.Width) part = ResizePasses.Horizontal(part, across);
            target.Write(row, sameRows ? part : ResizePasses.Vertical(part, down.Part(row, count, first)));
        }
    }
}
