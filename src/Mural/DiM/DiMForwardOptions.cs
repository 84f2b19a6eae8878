using static TorchSharp.torch;

namespace Mural.DiM;

/// <summary>What one run of a <see cref="DiMModel"/> does differently from the plain forward.</summary>
public sealed record DiMForwardOptions
{
    /// <summary>
    /// Resizes the position table to the input's grid even where both have the same number of tokens; upsampling asks for it. Without it such a table is used
    /// row by row, whatever its shape (spec dim.md 1.2).
    /// </summary>
    public bool ResizePositions { get; init; }

    /// <summary>
    /// A grid that the position table is resized to before it is resized to the input's, or null. Upsampling reads the table of the large picture, also for the
    /// small one (spec dim.md 6.1).
    /// </summary>
    public TokenGrid? PositionsThrough { get; init; }

    /// <summary>Factor of the skip of each decoder block, first to last, or null for 1 everywhere; see <see cref="SkipTuning"/>.</summary>
    public IReadOnlyList<double>? SkipFactors { get; init; }

    /// <summary>
    /// Gradient checkpointing: keeps only the stream between blocks and computes each block once more in the backward pass. Gradients are the same, for a third
    /// more work and a fraction of the memory. Without effect where no gradients are recorded.
    /// </summary>
    public bool GradientCheckpointing { get; init; }

    /// <summary>
    /// Called with "m" and the shared modulation, "position_table" and the table added, "sequence" and the sequence before block 0, and after block i with
    /// "block{i}" and the stream, in row-major storage.
    /// </summary>
    internal Action<string, Tensor>? Observe { get; init; }

    internal static DiMForwardOptions Default { get; } = new();
}
