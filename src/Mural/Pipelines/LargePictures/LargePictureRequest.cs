namespace Mural.Pipelines;

/// <summary>A picture beyond the size that its model was trained on, painted in stages.</summary>
public sealed record LargePictureRequest
{
    /// <summary>
    /// What the picture shows, and how it is sampled. Width and height are those of the first stage, of which the longer side counts; null for the model's. Super-resolution has no
    /// such stage, and takes neither them nor a strength.
    /// </summary>
    public required StableDiffusionRequest Picture { get; init; }

    /// <summary>Width wanted, in pixels; what is painted is at least as wide.</summary>
    public required int Width { get; init; }

    /// <summary>Height wanted, in pixels; what is painted is at least as high.</summary>
    public required int Height { get; init; }

    /// <summary>How it is enlarged; null for <see cref="UpscaleMethod.SdEdit"/>.</summary>
    public UpscaleMethod? Method { get; init; }

    /// <summary>Share of the steps that the first doubling runs, above 0 and up to 1; it falls evenly from there. Null for 0.4, with dilated convolutions 0.32.</summary>
    public double? Strength { get; init; }

    /// <summary>How dilated convolutions are mixed in, where the method has them.</summary>
    public DilationSettings Dilation { get; init; } = new();
}
