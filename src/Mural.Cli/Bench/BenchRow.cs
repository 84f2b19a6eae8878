using Mural.Runtime;
using static TorchSharp.torch;

namespace Mural.Cli.Bench;

/// <summary>One figure of a benchmark: work that either set of kernels can do.</summary>
internal sealed record BenchRow
{
    /// <summary>The row's name in text and JSON.</summary>
    public required string Name { get; init; }

    /// <summary>What is measured, in one line.</summary>
    public required string About { get; init; }

    /// <summary>Prepares the work once, in the process that will measure it.</summary>
    public required Func<KernelSet, BenchWork> Prepare { get; init; }

    /// <summary>Floating-point operations of the matrix products in one run; null where the work is something else.</summary>
    public double? Operations { get; init; }

    /// <summary>Pictures in one run; null where a run is not of pictures.</summary>
    public int? Samples { get; init; }

    /// <summary>The number format whose machine rate the share is of.</summary>
    public ScalarType Type { get; init; } = ScalarType.BFloat16;

    /// <summary>Whether there is something to be compared with: <c>--kernels libtorch</c>, unless there is a <see cref="Baseline"/>.</summary>
    public bool Compared { get; init; } = true;

    /// <summary>The row of the same benchmark whose work, done so many times, this one takes the place of; null for none.</summary>
    public (string Row, int Times)? Against { get; init; }

    /// <summary>What several rows of the benchmark use, disposed once all of them are measured; null for nothing.</summary>
    public IDisposable? Shared { get; init; }

    /// <summary>Prepares the work that the time is compared with where that is not the same with other kernels; after <see cref="Prepare"/>, in the same process.</summary>
    public Func<BenchWork>? Baseline { get; init; }
}
