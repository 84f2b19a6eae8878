using Mural.Imaging;
using TorchSharp;
using static TorchSharp.torch;

namespace Mural.Pipelines;

/// <summary>A picture that is changed, as the run sees it: the whole, or only the part around its mask.</summary>
internal sealed class StartingPicture
{
    private readonly Picture _original;
    private readonly Picture? _mask, _greyMask;
    private readonly CropRegion? _region;
    private readonly PictureFit _fit;
    private readonly StableDiffusionPlan _plan;

    internal StartingPicture(StableDiffusionPlan plan)
    {
        StableDiffusionRequest request = plan.Request;
        (_plan, _original, _mask, _greyMask, _fit) = (plan, request.InitialPicture!.ToRgb(), request.Mask, request.Mask?.ToGrey(), request.Fit);
        if (_greyMask is null || request.MaskPadding is not { } padding) return;
        _region = CropRegion.Around(_greyMask, plan.Width, plan.Height, padding);
        _fit = PictureFit.Fill;
    }

    /// <summary>What is changed. Shape: <c>[1, 3, H, W]</c>, -1 to 1.</summary>
    internal Tensor Pixels(Device device)
    {
        using DisposeScope scope = NewDisposeScope();
        return PictureTensors.FromPicture(Resized(_original), device).MoveToOuterDisposeScope();
    }

    /// <summary>Where it is repainted, 1, and where it is kept, 0. Shape: <c>[1, 1, H, W]</c>.</summary>
    internal Tensor Mask(Device device)
    {
        using DisposeScope scope = NewDisposeScope();
        return InpaintMask.Prepare(Resized(_mask!)).to(device).MoveToOuterDisposeScope();
    }

    /// <summary>The painted picture, put back into the original where only a part of that was painted.</summary>
    internal Picture Finish(Picture painted) => _region is { } region ? InpaintOverlay.Apply(_greyMask!, _original, painted, region) : painted;

    private Picture Resized(Picture picture)
    {
        Picture part = _region is { } region ? picture.Crop(region.Left, region.Top, region.Width, region.Height) : picture;
        return PicturePreprocessor.Resize(part, _plan.Width, _plan.Height, _fit);
    }
}
