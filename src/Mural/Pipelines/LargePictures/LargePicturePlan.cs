namespace Mural.Pipelines;

/// <summary>A <see cref="LargePictureRequest"/> with everything settled.</summary>
public sealed record LargePicturePlan
{
    /// <summary>The request.</summary>
    public required LargePictureRequest Request { get; init; }

    /// <summary>How the picture is enlarged.</summary>
    public required UpscaleMethod Method { get; init; }

    /// <summary>Share of the steps of the first doubling.</summary>
    public required double Strength { get; init; }

    /// <summary>The first picture, painted or given, and then each enlargement.</summary>
    public required IReadOnlyList<LargePictureStage> Stages { get; init; }

    /// <summary>Width of the last stage, in pixels.</summary>
    public int Width => Stages[^1].Width;

    /// <summary>Height of the last stage, in pixels.</summary>
    public int Height => Stages[^1].Height;

    /// <summary>Sentences about what may not turn out as hoped.</summary>
    public required IReadOnlyList<string> Warnings { get; init; }
}

/// <summary>One stage of a large picture.</summary>
/// <param name="Width">Width in pixels.</param>
/// <param name="Height">Height in pixels.</param>
/// <param name="Ratio">How many times larger its longer side is than the model's own, rounded up: the dilation of the convolutions, where there is any.</param>
/// <param name="Calls">Steps of the sampler that are run; 0 for a given picture.</param>
public sealed record LargePictureStage(int Width, int Height, int Ratio, int Calls)
{
    /// <summary>What the sampler does.</summary>
    public required StableDiffusionPlan Plan { get; init; }
}
