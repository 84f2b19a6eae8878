using Mural.UNet;

namespace Mural.Pipelines;

/// <summary>What must hold of the pictures of a request, and of the networks that look at them.</summary>
internal static class PictureChecks
{
    /// <exception cref="MuralException">A picture is missing, or its mask does not suit it.</exception>
    internal static void Check(StableDiffusionRequest request, StableDiffusionModelInfo model)
    {
        if (model.Inpaints && (request.InitialPicture is null || request.Mask is null))
            throw new MuralException($"{model.Name} was made for inpainting; give a picture and a mask that is white where it is to be repainted.");
        if (request.MaskPadding is < 0) throw new MuralException($"A padding of {request.MaskPadding} pixels around the mask was asked for; give 0 or more.");
        if (request.MaskPadding is not null && request.Mask is null)
            throw new MuralException("A padding around the mask was asked for, but there is no mask; give one, or leave the padding out.");
        if (request.InitialPicture is not { } picture)
        {
            if (request.Mask is not null) throw new MuralException("A mask was given without the picture that it belongs to; give that picture too.");
            if (request.Strength is not null)
                throw new MuralException($"A strength of {request.Strength} was given without a picture to change; give a picture too, or leave the strength out.");
            return;
        }
        if (request.Mask is { } mask && (mask.Width, mask.Height) != (picture.Width, picture.Height))
            throw new MuralException($"The mask has {mask.Width}x{mask.Height} pixels, but the picture has {picture.Width}x{picture.Height}; give a mask of the picture's size.");
    }

    /// <exception cref="MuralException">The ControlNet or its settings do not suit the model.</exception>
    internal static void Check(ControlInput control, UNetConfig unet)
    {
        Check("The ControlNet", control.Network.Config, unet);
        if (!double.IsFinite(control.Scale)) throw new MuralException($"The ControlNet's scale is {control.Scale}; it must be a number.");
        CallRange.Require("The ControlNet", control.Start, control.End);
    }

    /// <exception cref="MuralException">The ControlNet was made for another family of models.</exception>
    internal static void Check(string name, ControlNetConfig control, UNetConfig unet)
    {
        if (Fits(control, unet)) return;
        UNetConfig network = control.Network;
        throw new MuralException($"{name} was made for texts of {network.CrossAttentionWidth} features and levels of {string.Join(", ", network.BlockOutChannels)} channels, "
            + $"but the model has {unet.CrossAttentionWidth} and {string.Join(", ", unet.BlockOutChannels)}; use a ControlNet of the model's family.");
    }

    /// <summary>Whether a ControlNet copies a UNet of these sizes.</summary>
    internal static bool Fits(ControlNetConfig control, UNetConfig unet) =>
        control.Network.CrossAttentionWidth == unet.CrossAttentionWidth && control.Network.AddedEmbeddingWidth == unet.AddedEmbeddingWidth
        && control.Network.BlockOutChannels.SequenceEqual(unet.BlockOutChannels) && control.Network.LayersPerBlock.SequenceEqual(unet.LayersPerBlock);
}
