namespace Mural.Imaging;

/// <summary>Puts the kept pixels of the original back over a painted picture, as diffusers does.</summary>
public static class InpaintOverlay
{
    /// <summary>Softens a mask's edge, so that the seam does not show.</summary>
    /// <param name="mask">The mask.</param>
    /// <param name="radius">Standard deviation in pixels; 0 changes nothing.</param>
    internal static Picture Blur(Picture mask, float radius)
    {
        if (!(radius >= 0) || !float.IsFinite(radius)) throw new MuralException($"The blur radius {radius} is not a number of pixels: give 0 or more.");
        return GaussianBlur.Apply(mask, radius);
    }

    /// <summary>The painted picture where the mask is white, the original where it is black, a mixture between.</summary>
    /// <param name="mask">One channel, of the original's size.</param>
    /// <param name="original">The picture before.</param>
    /// <param name="painted">The picture after; of the original's size, or, with a region, of any size that fits it.</param>
    /// <param name="region">Where the painted picture belongs, when only a part was worked on.</param>
    /// <returns>A picture with three channels of the original's size.</returns>
    /// <exception cref="ArgumentException">The sizes do not fit.</exception>
    public static Picture Apply(Picture mask, Picture original, Picture painted, CropRegion? region = null)
    {
        if (mask.Channels != 1 || mask.Width != original.Width || mask.Height != original.Height)
            throw new ArgumentException("The mask has one channel and the original's size.", nameof(mask));
        Picture below = painted.ToRgb();
        if (region is { } place)
        {
            below = new Picture(original.Width, original.Height, 3);
            below.Paste(PicturePreprocessor.Resize(painted.ToRgb(), place.Width, place.Height, PictureFit.Crop), place.Left, place.Top);
        }
        if (below.Width != original.Width || below.Height != original.Height)
            throw new ArgumentException($"The painted picture has {below.Width}x{below.Height} pixels, the original {original.Width}x{original.Height}.", nameof(painted));
        return Composite(Kept(original, mask), below);
    }

    // The original with the mask taken out of its alpha.
    private static Picture Kept(Picture original, Picture mask)
    {
        Picture kept = Alpha.Premultiply(original.ToRgba());
        for (int pixel = 0; pixel < mask.Data.Length; pixel++)
            for (int c = 0; c < 4; c++) kept.Data[4 * pixel + c] = (byte)Alpha.Multiply(kept.Data[4 * pixel + c], 255 - mask.Data[pixel]);
        return Alpha.Unpremultiply(kept);
    }

    // Pillow's alpha_composite onto an opaque picture: 7 more bits of precision, rounded at the end.
    private static Picture Composite(Picture above, Picture below)
    {
        const int Shift = 7;
        var result = new Picture(below.Width, below.Height, 3);
        for (int pixel = 0; pixel < below.Width * below.Height; pixel++)
        {
            int alpha = above.Data[4 * pixel + 3] * (1 << Shift), rest = 255 * (1 << Shift) - alpha;
            for (int c = 0; c < 3; c++)
            {
                int mixed = above.Data[4 * pixel + c] * alpha + below.Data[3 * pixel + c] * rest + (0x80 << Shift);
                result.Data[3 * pixel + c] = (byte)(((mixed >> 8) + mixed >> 8) >> Shift);
            }
        }
        return result;
    }
}
