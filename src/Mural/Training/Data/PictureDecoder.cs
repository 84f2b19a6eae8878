using Mural.Imaging;
using TorchSharp;
using static TorchSharp.torch;

namespace Mural.Training.Data;

/// <summary>
/// Brings a picture of any size to the square that a run trains on, composited on a colour: as the official DiM does (spec dim.md 5), halved with a box filter while the short side
/// is at least twice the target, bicubic to the target's short side, centre crop; or as the official trainers of LinFusion do (spec linfusion.md 3.5).
/// </summary>
internal static class PictureDecoder
{
    /// <summary>Reads, resizes and crops one picture.</summary>
    /// <param name="path">The picture file.</param>
    /// <param name="background">Colour behind transparent pixels.</param>
    /// <param name="target">Receives the planes red, green, blue of <paramref name="size"/> x <paramref name="size"/> bytes.</param>
    /// <param name="size">Side of the square in pixels.</param>
    /// <param name="fit">How it becomes a square.</param>
    /// <exception cref="MuralException">The file is missing or broken.</exception>
    internal static void Read(string path, Rgb background, Span<byte> target, int size, SquareFit fit = SquareFit.Crop)
    {
        byte[] pixels = Square(PictureReader.Read(path).ToRgb(background), size, fit).Data;
        int count = size * size;
        for (int i = 0; i < count; i++)
        {
            target[i] = pixels[3 * i];
            target[count + i] = pixels[3 * i + 1];
            target[2 * count + i] = pixels[3 * i + 2];
        }
    }

    /// <summary>A picture of three channels as a square.</summary>
    internal static Picture Square(Picture picture, int size, SquareFit fit)
    {
        if (picture.Width == size && picture.Height == size) return picture;
        if (fit == SquareFit.Stretch) return Stretch(picture, size);
        if (fit == SquareFit.ShortSide)
        {
            (int wide, int high, int top, int left) = ShortSide(picture.Width, picture.Height, size);
            return PictureResizer.Resize(picture, wide, high, ResizeFilter.Bilinear).Crop(left, top, size, size);
        }
        while (Math.Min(picture.Width, picture.Height) >= 2 * size)
            picture = PictureResizer.Resize(picture, picture.Width / 2, picture.Height / 2, ResizeFilter.Box);
        double scale = (double)size / Math.Min(picture.Width, picture.Height);
        int width = (int)Math.Round(picture.Width * scale), height = (int)Math.Round(picture.Height * scale);
        return PictureResizer.Resize(picture, width, height, ResizeFilter.Bicubic).Crop((width - size) / 2, (height - size) / 2, size, size);
    }

    /// <summary>The size that a picture is resized to under <see cref="SquareFit.ShortSide"/>, and where the square is cut.</summary>
    internal static (int Width, int Height, int Top, int Left) ShortSide(int width, int height, int size)
    {
        int wide = width <= height ? size : (int)((long)size * width / height), high = height <= width ? size : (int)((long)size * height / width);
        return (wide, high, (high - size) / 2, (wide - size) / 2);
    }

    // Cubic convolution with a = -0.75 over the four nearest pixels, also where the picture shrinks.
    private static Picture Stretch(Picture picture, int size)
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable quiet = no_grad();
        Tensor planes = tensor(picture.Data, ScalarType.Byte).view(picture.Height, picture.Width, 3).permute(2, 0, 1).unsqueeze(0).to(ScalarType.Float32);
        Tensor square = nn.functional.interpolate(planes, [size, size], mode: InterpolationMode.Bicubic, align_corners: false);
        Tensor bytes = square.round_().clamp_(0, 255).to(ScalarType.Byte).squeeze(0).permute(1, 2, 0).contiguous();
        var result = new Picture(size, size, 3);
        bytes.bytes.CopyTo(result.Data);
        return result;
    }
}
