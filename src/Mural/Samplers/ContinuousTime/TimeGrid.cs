namespace Mural.Samplers;

/// <summary>Solver times between two ends.</summary>
internal static class TimeGrid
{
    /// <summary>The <paramref name="intervals"/> + 1 times from <paramref name="start"/> down to <paramref name="end"/>.</summary>
    internal static double[] Create(TimeSpacing spacing, NoiseSchedule schedule, double start, double end, int intervals)
    {
        double[] times = spacing switch
        {
            TimeSpacing.Time => Even(start, end, intervals),
            TimeSpacing.Quadratic => [.. Even(Math.Sqrt(start), Math.Sqrt(end), intervals).Select(root => root * root)],
            TimeSpacing.LogSnr => [.. Even(schedule.Lambda(start), schedule.Lambda(end), intervals).Select(schedule.TimeOfLambda)],
            _ => throw new ArgumentOutOfRangeException(nameof(spacing)),
        };
        // The ends are exact whatever the way through roots or logarithms lost.
        times[0] = start;
        times[^1] = end;
        return times;
    }

    private static double[] Even(double first, double last, int intervals) =>
        [.. Enumerable.Range(0, intervals + 1).Select(i => first + i * ((last - first) / intervals))];
}
