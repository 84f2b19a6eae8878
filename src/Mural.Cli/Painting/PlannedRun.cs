using Mural.Pipelines;
using Mural.Runtime;

namespace Mural.Cli.Painting;

/// <summary>A run before it begins: what it will paint, what that needs, and what is in its way.</summary>
/// <param name="Description">What it paints and how, for a person.</param>
/// <param name="Model">With which model.</param>
/// <param name="Width">Width of the pictures, in pixels.</param>
/// <param name="Height">Height of the pictures, in pixels.</param>
/// <param name="Steps">Sampling steps of the whole schedule.</param>
/// <param name="Warnings">Sentences about what may not turn out as hoped.</param>
/// <param name="Forecast">What it needs.</param>
/// <param name="DiskShortage">A sentence where the disk has no room for that, or null.</param>
/// <param name="Runtime">On what it runs.</param>
internal sealed record PlannedRun(
    string Description,
    StableDiffusionModelInfo Model,
    int Width,
    int Height,
    int Steps,
    IReadOnlyList<string> Warnings,
    MemoryForecast Forecast,
    string? DiskShortage,
    RuntimePlan Runtime);
