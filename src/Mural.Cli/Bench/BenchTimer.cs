using System.Diagnostics;

namespace Mural.Cli.Bench;

/// <summary>Times prepared work.</summary>
internal static class BenchTimer
{
    private static readonly TimeSpan Least = TimeSpan.FromMilliseconds(200);
    private const int MostRuns = 50;

    /// <summary>Milliseconds of each run in one round: as many as fit into a fifth of a second, at least one.</summary>
    internal static List<double> Round(BenchWork work, CancellationToken cancellation)
    {
        var times = new List<double>();
        var all = Stopwatch.StartNew();
        do
        {
            cancellation.ThrowIfCancellationRequested();
            times.Add(work.Parts.Count == 0 ? Time(work.Run) * work.Scale : work.Parts.Sum(part => Time(part.Run) * part.Times));
        }
        while (all.Elapsed < Least && times.Count < MostRuns);
        return times;
    }

    private static double Time(Action run)
    {
        long start = Stopwatch.GetTimestamp();
        run();
        return Stopwatch.GetElapsedTime(start).TotalMilliseconds;
    }
}
