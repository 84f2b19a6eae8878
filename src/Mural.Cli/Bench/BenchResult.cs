using Mural.Cli.Machine;

namespace Mural.Cli.Bench;

/// <summary>What a benchmark measured.</summary>
/// <param name="Machine">The machine and its own rates, measured in the same run.</param>
/// <param name="Rows">The figures.</param>
internal sealed record BenchResult(BenchMachine Machine, IReadOnlyList<BenchFigure> Rows);

/// <summary>The machine that a benchmark ran on.</summary>
/// <param name="Processor">The processor's name.</param>
/// <param name="Features">What of it matters here.</param>
/// <param name="Threads">Threads that operators used.</param>
/// <param name="Libtorch">libtorch's version.</param>
/// <param name="Gigaflops">Rate of 2048x2048 matrix products, in GFLOP/s: the median over the rounds.</param>
internal sealed record BenchMachine(string Processor, IReadOnlyList<string> Features, int Threads, string Libtorch, MachineRates Gigaflops);

/// <summary>One figure.</summary>
/// <param name="Name">The row's name.</param>
/// <param name="About">What was measured.</param>
/// <param name="Milliseconds">Median over all runs of all rounds.</param>
/// <param name="Share">Rate reached, as a share of the machine's own in the same number format.</param>
/// <param name="Speedup">Time of <c>--kernels libtorch</c>, in a process of its own, over ours; or of what the row is compared with instead.</param>
/// <param name="SamplesPerSecond">Pictures a second, where the work is of pictures.</param>
/// <param name="Note">What a reader must know of either measurement.</param>
internal sealed record BenchFigure(string Name, string About, double Milliseconds, double? Share, double? Speedup, double? SamplesPerSecond, string? Note);
