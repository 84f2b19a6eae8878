using static TorchSharp.torch;

namespace Mural.UNet;

/// <summary>What a UNet or ControlNet is conditioned on apart from the time: the same at each step of a run.</summary>
/// <param name="Text">The text encoder's hidden states; any number of tokens. Shape: <c>[B, T, context width]</c>.</param>
public sealed record UNetConditioning(Tensor Text)
{
    /// <summary>The pooled text vector that SDXL asks for. Shape: <c>[B, width]</c>.</summary>
    public Tensor? PooledText { get; init; }

    /// <summary>
    /// The numbers that SDXL asks for: original height and width, crop's top and left, target height and width (its refiner: the aesthetic score instead of the target).
    /// Shape: <c>[B, 6]</c>, for the refiner <c>[B, 5]</c>.
    /// </summary>
    public Tensor? SizeNumbers { get; init; }

    /// <summary>The guidance scale that a distilled model (LCM) reproduces in one run; other models take none.</summary>
    public double? GuidanceScale { get; init; }
}
