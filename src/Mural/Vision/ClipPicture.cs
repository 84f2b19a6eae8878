using Mural.Imaging;
using TorchSharp;
using static TorchSharp.torch;

namespace Mural.Vision;

/// <summary>Prepares pictures for CLIP's image encoder as its own processor does (spec 7.2).</summary>
internal static class ClipPicture
{
    // Mean and deviation of red, green and blue in the pictures that CLIP was trained on.
    private static readonly float[] Means = [0.48145466f, 0.4578275f, 0.40821073f], Deviations = [0.26862954f, 0.26130258f, 0.27577711f];

    /// <summary>The middle square of a picture, resized by Pillow's bicubic so that its shorter side is <paramref name="side"/>.</summary>
    internal static Picture Crop(Picture picture, int side)
    {
        Picture colours = picture.ToRgb();
        int shorter = Math.Min(colours.Width, colours.Height);
        int width = (int)((long)side * colours.Width / shorter), height = (int)((long)side * colours.Height / shorter);
        Picture resized = PictureResizer.Resize(colours, width, height, ResizeFilter.Bicubic);
        return resized.Crop((width - side) / 2, (height - side) / 2, side, side);
    }

    /// <summary>A picture as the encoder sees it. Shape: <c>[1, 3, side, side]</c>, float32.</summary>
    internal static Tensor Prepare(Picture picture, int side, Device? device = null) => Normalize(Crop(picture, side), device);

    /// <summary>A picture of the encoder's size as it sees it. Shape: <c>[1, 3, H, W]</c>, float32.</summary>
    internal static Tensor Normalize(Picture picture, Device? device = null)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor unit = PictureTensors.Unit(picture, device);
        return ((unit - tensor(Means, [1, 3, 1, 1], device: unit.device)) / tensor(Deviations, [1, 3, 1, 1], device: unit.device)).MoveToOuterDisposeScope();
    }
}
