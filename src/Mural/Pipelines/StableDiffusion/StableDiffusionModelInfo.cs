namespace Mural.Pipelines;

/// <summary>What a model is and what it paints with when nothing else is asked for.</summary>
public sealed record StableDiffusionModelInfo
{
    /// <summary>What people call it: its folder's name.</summary>
    public required string Name { get; init; }

    /// <summary>Its family, such as <c>Stable Diffusion 1</c> or <c>Stable Diffusion XL refiner</c>.</summary>
    public required string Family { get; init; }

    /// <summary>Side in pixels of the pictures it was trained on.</summary>
    public required int Side { get; init; }

    /// <summary>Pixels that sides of pictures are multiples of.</summary>
    public required int Multiple { get; init; }

    /// <summary>Sampling steps.</summary>
    public required int Steps { get; init; }

    /// <summary>Guidance scale; 1 for models that were distilled to do without.</summary>
    public required double Guidance { get; init; }

    /// <summary>Whether it was made for inpainting: it sees the mask and what lies around it.</summary>
    public required bool Inpaints { get; init; }

    /// <summary>Whether it is of the family of Stable Diffusion XL.</summary>
    internal bool IsXL { get; init; }

    /// <summary>
    /// Layers of OpenCLIP that the family leaves out at the end without being asked. Other programs count them as skipped: a clip skip of 2 is there what Stable
    /// Diffusion 2 and XL were trained with, and 1 nothing else.
    /// </summary>
    internal int LayersLeftOut { get; init; }

    /// <summary>Name of the LinFusion checkpoint whose linear attention it paints with, or null for its own attention.</summary>
    public string? LinFusion { get; init; }
}
