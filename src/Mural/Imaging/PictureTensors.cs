using static TorchSharp.torch;

namespace Mural.Imaging;

/// <summary>Pictures to network tensors and back, as diffusers' image processor does it.</summary>
public static class PictureTensors
{
    /// <summary>The pictures of a batch: u = clamp(x/2 + 1/2, 0, 1), byte = u*255 rounded half to even, all in float32.</summary>
    /// <param name="values"><c>[B, C, H, W]</c> with 1, 3 or 4 channels, any floating type and device, -1 (black) to 1 (white); values beyond are cut.</param>
    /// <returns>B pictures.</returns>
    /// <exception cref="ArgumentException">The shape is another.</exception>
    public static Picture[] ToPictures(Tensor values)
    {
        if (values.dim() != 4 || values.shape[1] is not (1 or 3 or 4))
            throw new ArgumentException($"A batch [B, C, H, W] of 1, 3 or 4 channels was expected, not [{string.Join(", ", values.shape)}].", nameof(values));
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        // Only finite numbers have a byte: an overflow in the network shows as black instead of as undefined bytes.
        Tensor bytes = (ToUnit(values).nan_to_num(0) * 255f).round().to(uint8).permute(0, 2, 3, 1).contiguous().cpu();
        int batch = (int)bytes.shape[0], height = (int)bytes.shape[1], width = (int)bytes.shape[2], channels = (int)bytes.shape[3];
        var pictures = new Picture[batch];
        for (int b = 0; b < batch; b++)
        {
            pictures[b] = new Picture(width, height, channels);
            using Tensor one = bytes[b];
            one.bytes.CopyTo(pictures[b].Data);
        }
        return pictures;
    }

    /// <summary>A picture as network input: byte/255*2 - 1 in float32. Alpha is a channel like the others; lay it over a colour first where a network wants three.</summary>
    /// <param name="picture">The picture.</param>
    /// <param name="device">Where the tensor is wanted; the CPU where none is given.</param>
    /// <returns><c>[1, C, H, W]</c>, float32, -1 (black) to 1 (white).</returns>
    public static Tensor FromPicture(Picture picture, Device? device = null)
    {
        using var scope = NewDisposeScope();
        return (Unit(picture, device) * 2f - 1f).MoveToOuterDisposeScope();
    }

    /// <summary>Pictures of one size as one network input.</summary>
    /// <param name="pictures">At least one; all have the first one's size and channels.</param>
    /// <param name="device">Where the tensor is wanted; the CPU where none is given.</param>
    /// <returns><c>[B, C, H, W]</c>, float32, -1 to 1.</returns>
    public static Tensor FromPictures(IReadOnlyList<Picture> pictures, Device? device = null)
    {
        using var scope = NewDisposeScope();
        return cat([.. pictures.Select(picture => FromPicture(picture, device))]).MoveToOuterDisposeScope();
    }

    /// <summary>A network's output as clamp(x/2 + 1/2, 0, 1) in float32, of the same shape.</summary>
    internal static Tensor ToUnit(Tensor values)
    {
        using var scope = NewDisposeScope();
        return (values.to(float32) * 0.5f + 0.5f).clamp(0, 1).MoveToOuterDisposeScope();
    }

    /// <summary>byte/255 in float32, <c>[1, C, H, W]</c>.</summary>
    internal static Tensor Unit(Picture picture, Device? device = null)
    {
        using var scope = NewDisposeScope();
        Tensor bytes = empty([picture.Height, picture.Width, picture.Channels], uint8);
        picture.Data.CopyTo(bytes.bytes);
        Tensor planes = (device is null ? bytes : bytes.to(device)).permute(2, 0, 1).unsqueeze(0);
        return (planes.to(float32).contiguous() / 255f).MoveToOuterDisposeScope();
    }
}
