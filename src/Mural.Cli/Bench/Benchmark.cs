namespace Mural.Cli.Bench;

/// <summary>A benchmark by the name that <c>mural bench</c> takes.</summary>
/// <param name="Name">The name.</param>
/// <param name="About">What it measures.</param>
/// <param name="Rows">Makes its rows, for which it may have to read a model's settings.</param>
internal sealed record Benchmark(string Name, string About, Func<IReadOnlyList<BenchRow>> Rows)
{
    /// <summary>All of them.</summary>
    internal static IReadOnlyList<Benchmark> All { get; } =
    [
        MatmulBench.Create(), AttentionBench.Create(), UNetBench.Create(), HiDiffusionBench.Create(), LinFusionBench.Create(),
        VaeBench.Create(), LoadBench.Create(), MemoryBench.Create(), DiMBench.Create(), ScanBench.Create(), TrainBench.Create()
    ];
}
