namespace Mural.Cli.Bench;

/// <summary>A benchmark by the name that <c>mural bench</c> takes.</summary>
internal sealed record Benchmark(string Name, string About, IReadOnlyList<BenchRow> Rows)
{
    /// <summary>All of them.</summary>
    internal static IReadOnlyList<Benchmark> All { get; } = [MatmulBench.Create(), DimBench.Create(), ScanBench.Create()];
}
