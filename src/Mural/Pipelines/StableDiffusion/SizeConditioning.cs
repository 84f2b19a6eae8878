namespace Mural.Pipelines;

/// <summary>
/// What SDXL is told of the training picture that its result should resemble (Stable Diffusion specification 6.3), in pixels. Models before SDXL take nothing
/// of the kind.
/// </summary>
public sealed record SizeConditioning
{
    /// <summary>Size before any resizing; null for that of the result. Small numbers give blurred pictures.</summary>
    public (int Height, int Width)? Original { get; init; }

    /// <summary>Where the crop began; other than (0, 0) gives pictures that seem cut off.</summary>
    public (int Top, int Left) Crop { get; init; }

    /// <summary>Size after cropping; null for that of the result.</summary>
    public (int Height, int Width)? Target { get; init; }

    /// <summary>What SDXL's refiner is told instead of the target: how beautiful people would find the picture; null for 6, of the negative prompt 2.5.</summary>
    public double? AestheticScore { get; init; }
}
