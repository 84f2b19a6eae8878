namespace Mural.Pipelines;

/// <summary>
/// What SDXL is told of the training picture that its result should resemble (Stable Diffusion specification 6.3), in pixels. Models before SDXL take nothing
/// of the kind.
/// </summary>
public sealed record SizeConditioning
{
    /// <summary>How many numbers SDXL is told: of each of the two sizes and of the crop two; and its refiner, in whose numbers the score stands in place of the target.</summary>
    internal const int Numbers = 6, NumbersOfRefiner = 5;

    /// <summary>The score that the refiner is told where none is asked for, and that of the negative prompt.</summary>
    internal const double UsualScore = 6, UsualNegativeScore = 2.5;

    /// <summary>Size before any resizing; null for that of the result. Small numbers give blurred pictures.</summary>
    public (int Height, int Width)? Original { get; init; }

    /// <summary>Where the crop began; other than (0, 0) gives pictures that seem cut off.</summary>
    public (int Top, int Left) Crop { get; init; }

    /// <summary>Size after cropping; null for that of the result.</summary>
    public (int Height, int Width)? Target { get; init; }

    /// <summary>What SDXL's refiner is told instead of the target: how beautiful people would find the picture; null for 6, of the negative prompt 2.5.</summary>
    public double? AestheticScore { get; init; }
}
