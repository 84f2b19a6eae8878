using Mural.DiM;

namespace Mural.Pipelines;

/// <summary>A <see cref="DiMRequest"/> with everything settled: what will be painted, and what a person should know beforehand.</summary>
public sealed record DiMPlan
{
    /// <summary>The request.</summary>
    public required DiMRequest Request { get; init; }

    /// <summary>The words or the class that the pictures show, default words included.</summary>
    public required IReadOnlyList<string> Words { get; init; }

    /// <summary>Words of the prompt that the model does not know.</summary>
    public required IReadOnlyList<string> IgnoredWords { get; init; }

    /// <summary>What the words or the class are for the network; empty for the null label.</summary>
    internal IReadOnlyList<int> Labels { get; init; } = [];

    /// <summary>Width of the finished picture in pixels.</summary>
    public required int Width { get; init; }

    /// <summary>Height of the finished picture in pixels.</summary>
    public required int Height { get; init; }

    /// <summary>Sampling steps, counted in network evaluations.</summary>
    public required int Steps { get; init; }

    /// <summary>Guidance scale in the common convention.</summary>
    public required double Guidance { get; init; }

    /// <summary>How upscaling is guided; without effect on a picture that is not upscaled.</summary>
    public required UpsampleGuidanceOptions UpsampleGuidance { get; init; }

    /// <summary>Sentences about what may not turn out as hoped.</summary>
    public required IReadOnlyList<string> Warnings { get; init; }
}
