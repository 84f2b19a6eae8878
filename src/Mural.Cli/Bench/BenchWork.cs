namespace Mural.Cli.Bench;

/// <summary>Prepared work: each call of <paramref name="Run"/> does all of it once, or the part that <paramref name="Scale"/> makes up for.</summary>
/// <param name="Run">Does the work and frees what it makes.</param>
/// <param name="Held">What the work needs, disposed at the end.</param>
/// <param name="Scale">How many times a run's time the whole work would take, where only a part is run.</param>
/// <param name="Note">What a reader must know of this work, such as the part that is run.</param>
internal sealed record BenchWork(Action Run, IDisposable Held, double Scale = 1, string? Note = null)
{
    /// <summary>The runs that the work is put together from, and how many times it has each; empty where it is one run.</summary>
    internal IReadOnlyList<(Action Run, int Times)> Parts { get; init; } = [];

    /// <summary>What the runs have shown beside their time, asked once they are done; null for nothing.</summary>
    internal Func<string>? Found { get; init; }
}
