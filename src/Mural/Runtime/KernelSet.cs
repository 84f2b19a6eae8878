namespace Mural.Runtime;

/// <summary>Which implementation of the heavy operators a run uses.</summary>
public enum KernelSet
{
    /// <summary>Mural's own: packed oneDNN weights, hand-written kernels, tuned allocator.</summary>
    Mural,

    /// <summary>Plain libtorch operators, as PyTorch would run them: the reference in tests and the yardstick in benchmarks.</summary>
    Libtorch,
}
