namespace Mural.Cli.Bench;

/// <summary>How a benchmark is run.</summary>
/// <param name="Rounds">Rounds over which medians are taken.</param>
/// <param name="Threads">Threads for the CPU's operators; null for libtorch's choice.</param>
/// <param name="Compared">Whether libtorch's own operators do the same work in a process beside ours.</param>
internal sealed record BenchOptions(int Rounds, int? Threads = null, bool Compared = true);
