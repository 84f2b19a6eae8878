using static TorchSharp.torch;

namespace Mural.Imaging;

/// <summary>Masks of inpainting runs as diffusers prepares them: 1 repaints, 0 keeps.</summary>
public static class InpaintMask
{
    /// <summary>A mask picture as network input: resized by Lanczos as it came, then grey, then cut at one half.</summary>
    /// <param name="mask">Grey or colour; byte 128 and more repaints.</param>
    /// <param name="size">Size wanted, in pixels; the mask's own where none is given. Rounded down to multiples of <paramref name="factor"/>.</param>
    /// <param name="factor">Pixels of one latent cell.</param>
    /// <returns><c>[1, 1, H, W]</c>, float32, 0 or 1.</returns>
    /// <exception cref="MuralException">A side is shorter than the factor.</exception>
    public static Tensor Prepare(Picture mask, (int Width, int Height)? size = null, int factor = 8)
    {
        using var scope = NewDisposeScope();
        (int width, int height) = PicturePreprocessor.RoundDown(size?.Width ?? mask.Width, size?.Height ?? mask.Height, factor);
        Picture grey = PictureResizer.Resize(mask, width, height).ToGrey();
        return Binary(PictureTensors.Unit(grey)).MoveToOuterDisposeScope();
    }

    /// <summary>A mask that is a tensor already: resized by libtorch's nearest, then cut at one half.</summary>
    /// <param name="mask"><c>[B, 1, H, W]</c>, 0 to 1.</param>
    /// <param name="size">Size wanted, in pixels; the mask's own where none is given. Rounded down to multiples of <paramref name="factor"/>.</param>
    /// <param name="factor">Pixels of one latent cell.</param>
    /// <returns><c>[B, 1, H, W]</c>, 0 or 1.</returns>
    /// <exception cref="MuralException">A side is shorter than the factor.</exception>
    internal static Tensor Prepare(Tensor mask, (int Width, int Height)? size = null, int factor = 8)
    {
        using var scope = NewDisposeScope();
        (int width, int height) = PicturePreprocessor.RoundDown(size?.Width ?? (int)mask.shape[3], size?.Height ?? (int)mask.shape[2], factor);
        return Binary(PicturePreprocessor.ResizeNearest(mask, width, height)).MoveToOuterDisposeScope();
    }

    /// <summary>A prepared mask at latent size: every <paramref name="factor"/>-th pixel and not their mean, as diffusers does.</summary>
    /// <param name="mask"><c>[B, 1, H, W]</c>, 0 or 1.</param>
    /// <param name="factor">Pixels of one latent cell.</param>
    /// <returns><c>[B, 1, H/factor, W/factor]</c>.</returns>
    public static Tensor ToLatent(Tensor mask, int factor = 8) =>
        PicturePreprocessor.ResizeNearest(mask, (int)mask.shape[3] / factor, (int)mask.shape[2] / factor);

    /// <summary>A picture with the pixels to repaint hidden: they become 0, middle grey.</summary>
    /// <param name="picture"><c>[B, C, H, W]</c>, -1 to 1.</param>
    /// <param name="mask"><c>[B, 1, H, W]</c>, 0 or 1.</param>
    /// <returns><c>[B, C, H, W]</c>.</returns>
    public static Tensor Hide(Tensor picture, Tensor mask)
    {
        using var scope = NewDisposeScope();
        return (picture * (mask < 0.5).to(picture.dtype)).MoveToOuterDisposeScope();
    }

    private static Tensor Binary(Tensor values) => (values >= 0.5).to(values.dtype);
}
