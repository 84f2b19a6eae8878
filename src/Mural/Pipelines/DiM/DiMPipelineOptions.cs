using Mural.Runtime;

namespace Mural.Pipelines;

/// <summary>How a <see cref="DiMPipeline"/> runs; nothing here changes what it paints beyond rounding.</summary>
public sealed record DiMPipelineOptions
{
    /// <summary>Device, precision, kernels and threads; what is left open is chosen for this machine.</summary>
    public RuntimeOptions Runtime { get; init; } = new();

    /// <summary>Pictures painted at once, at least 1; more are painted one batch after another.</summary>
    public int BatchSize { get; init; } = 4;

    /// <summary>Whether the predictions with and without the prompt come from one network call (faster) or from two (less memory).</summary>
    public bool BatchGuidance { get; init; } = true;
}
