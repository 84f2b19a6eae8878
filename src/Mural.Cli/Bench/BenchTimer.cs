using System.Diagnostics;

namespace Mural.Cli.Bench;

/// <summary>Times prepared work.</summary>
internal static class BenchTimer
{
    private static readonly TimeSpan Least = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan Long = TimeSpan.FromSeconds(20);
    private const int MostRuns = 50;

    /// <summary>
    /// Does the work once, so that what only a first run does is not measured. Milliseconds of that run where it took so long that this is nothing beside it, and a round can be
    /// saved; else none.
    /// </summary>
    internal static List<double> Warm(BenchWork work)
    {
        long start = Stopwatch.GetTimestamp();
        double milliseconds = Once(work);
        return Stopwatch.GetElapsedTime(start) < Long ? [] : [milliseconds];
    }

    /// <summary>Milliseconds of each run in one round: as many as fit into a fifth of a second, at least one.</summary>
    internal static List<double> Round(BenchWork work, CancellationToken cancellation)
    {
        var times = new List<double>();
        var all = Stopwatch.StartNew();
        do
        {
            cancellation.ThrowIfCancellationRequested();
            times.Add(Once(work));
        }
        while (all.Elapsed < Least && times.Count < MostRuns);
        return times;
    }

    private static double Once(BenchWork work) => work.Parts.Count == 0 ? Time(work.Run) * work.Scale : work.Parts.Sum(part => Time(part.Run) * part.Times);

    private static double Time(Action run)
    {
        long start = Stopwatch.GetTimestamp();
        run();
        return Stopwatch.GetElapsedTime(start).TotalMilliseconds;
    }
}
