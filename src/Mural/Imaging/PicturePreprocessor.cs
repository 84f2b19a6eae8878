using static TorchSharp.torch;

namespace Mural.Imaging;

/// <summary>Prepares the input pictures of image-to-image runs as diffusers' image processor does.</summary>
public static class PicturePreprocessor
{
    /// <summary>The largest size not above the one given whose sides are multiples of <paramref name="factor"/>.</summary>
    /// <param name="width">Width in pixels.</param>
    /// <param name="height">Height in pixels.</param>
    /// <param name="factor">Pixels of one latent cell, usually 8.</param>
    /// <exception cref="MuralException">A side is shorter than the factor.</exception>
    public static (int Width, int Height) RoundDown(int width, int height, int factor)
    {
        if (width < factor || height < factor)
            throw new MuralException($"A picture of {width}x{height} pixels is too small: {factor} are needed on each side, so use a larger one.");
        return (width - width % factor, height - height % factor);
    }

    /// <summary>Resizes a picture to a size of other proportions.</summary>
    /// <param name="picture">The picture.</param>
    /// <param name="width">Width wanted, in pixels.</param>
    /// <param name="height">Height wanted, in pixels.</param>
    /// <param name="fit">What happens where the proportions differ.</param>
    /// <returns>A picture of that size with the same channels.</returns>
    public static Picture Resize(Picture picture, int width, int height, PictureFit fit) => fit switch
    {
        PictureFit.Fill => ResizeAndFill(picture, width, height),
        PictureFit.Crop => ResizeAndCrop(picture, width, height),
        _ => PictureResizer.Resize(picture, width, height),
    };

    /// <summary>A picture as network input.</summary>
    /// <param name="picture">The picture; its size is rounded down to multiples of <paramref name="factor"/> where none is given.</param>
    /// <param name="size">Size wanted, in pixels; rounded down too.</param>
    /// <param name="fit">What happens where the proportions differ.</param>
    /// <param name="factor">Pixels of one latent cell.</param>
    /// <returns><c>[1, C, H, W]</c>, float32, -1 to 1; C is three unless the picture is stretched, which keeps its channels.</returns>
    /// <exception cref="MuralException">A side is shorter than the factor.</exception>
    internal static Tensor Prepare(Picture picture, (int Width, int Height)? size = null, PictureFit fit = PictureFit.Stretch, int factor = 8)
    {
        (int width, int height) = RoundDown(size?.Width ?? picture.Width, size?.Height ?? picture.Height, factor);
        Picture resized = Resize(picture, width, height, fit);
        // The reference pastes onto pictures of three channels.
        return PictureTensors.FromPicture(fit == PictureFit.Stretch ? resized : WithoutAlpha(resized).ToRgb());
    }

    /// <summary>A picture that is a tensor already: it is resized by libtorch's nearest, as diffusers does, and not by a filter.</summary>
    /// <param name="picture"><c>[B, C, H, W]</c>, 0 (black) to 1 (white).</param>
    /// <param name="size">Size wanted, in pixels; rounded down to multiples of <paramref name="factor"/>.</param>
    /// <param name="factor">Pixels of one latent cell.</param>
    /// <returns><c>[B, C, H, W]</c>, -1 to 1.</returns>
    /// <exception cref="MuralException">A side is shorter than the factor.</exception>
    internal static Tensor Prepare(Tensor picture, (int Width, int Height)? size = null, int factor = 8)
    {
        using var scope = NewDisposeScope();
        (int width, int height) = RoundDown(size?.Width ?? (int)picture.shape[3], size?.Height ?? (int)picture.shape[2], factor);
        return (ResizeNearest(picture, width, height) * 2 - 1).MoveToOuterDisposeScope();
    }

    internal static Tensor ResizeNearest(Tensor planes, int width, int height) => nn.functional.interpolate(planes, [height, width], mode: InterpolationMode.Nearest);

    // Pasting takes the colours as they are and leaves alpha out.
    private static Picture WithoutAlpha(Picture picture)
    {
        if (!picture.HasAlpha) return picture;
        var colours = new Picture(picture.Width, picture.Height, 3);
        for (int from = 0, to = 0; to < colours.Data.Length; from += 4, to += 3) picture.Data.AsSpan(from, 3).CopyTo(colours.Data.AsSpan(to));
        return colours;
    }

    private static Picture ResizeAndCrop(Picture picture, int width, int height)
    {
        bool wider = (double)width / height > (double)picture.Width / picture.Height;
        int coverWidth = wider ? width : (int)((long)picture.Width * height / picture.Height);
        int coverHeight = wider ? (int)((long)picture.Height * width / picture.Width) : height;
        Picture cover = PictureResizer.Resize(picture, coverWidth, coverHeight);
        return cover.Crop(coverWidth / 2 - width / 2, coverHeight / 2 - height / 2, width, height);
    }

    private static Picture ResizeAndFill(Picture picture, int width, int height)
    {
        bool narrower = (double)width / height < (double)picture.Width / picture.Height;
        int innerWidth = narrower ? width : Math.Max((int)((long)picture.Width * height / picture.Height), 1);
        int innerHeight = narrower ? Math.Max((int)((long)picture.Height * width / picture.Width), 1) : height;
        Picture inner = PictureResizer.Resize(picture, innerWidth, innerHeight);
        int left = width / 2 - innerWidth / 2, top = height / 2 - innerHeight / 2, right = left + innerWidth, bottom = top + innerHeight;
        var result = new Picture(width, height, picture.Channels);
        result.Paste(inner, left, top);
        PasteEdge(result, inner, new ResizeBox(0, 0, innerWidth, 0), 0, 0, width, top);
        PasteEdge(result, inner, new ResizeBox(0, innerHeight, innerWidth, innerHeight), 0, bottom, width, height - bottom);
        PasteEdge(result, inner, new ResizeBox(0, 0, 0, innerHeight), 0, 0, left, height);
        PasteEdge(result, inner, new ResizeBox(innerWidth, 0, innerWidth, innerHeight), right, 0, width - right, height);
        return result;
    }

    // A box without height or width makes a bicubic resize continue the border line (9/8 of it less 1/8 of the next one), as in diffusers.
    private static void PasteEdge(Picture result, Picture inner, ResizeBox edge, int left, int top, int width, int height)
    {
        if (width > 0 && height > 0) result.Paste(PictureResizer.Resize(inner, width, height, ResizeFilter.Bicubic, edge), left, top);
    }
}
