using System.Diagnostics;

namespace Mural.Training;

/// <summary>Time spent training over all sessions of a run, and how far the run is.</summary>
internal sealed class RunClock(TrainingConfig config, double secondsBefore)
{
    private readonly Stopwatch _watch = Stopwatch.StartNew();
    private readonly Queue<(double Seconds, long Step)> _recent = new();

    internal double Seconds => secondsBefore + _watch.Elapsed.TotalSeconds;

    /// <summary>Share of the run that is done: of its steps or of its time, whichever is further.</summary>
    internal double Progress(long step)
    {
        double bySteps = config.Steps is long steps ? (double)step / steps : 0;
        double byTime = config.MaxMinutes is double minutes ? Seconds / (60 * minutes) : 0;
        return Math.Min(1, Math.Max(bySteps, byTime));
    }

    /// <summary>Pictures a second over the last half minute.</summary>
    internal double SamplesPerSecond(long step)
    {
        double now = _watch.Elapsed.TotalSeconds;
        _recent.Enqueue((now, step));
        while (_recent.Count > 2 && now - _recent.Peek().Seconds > 30) _recent.Dequeue();
        (double seconds, long first) = _recent.Peek();
        return now > seconds ? (step - first) * config.StepSamples / (now - seconds) : 0;
    }

    internal TimeSpan Left(long step, double samplesPerSecond)
    {
        double left = double.PositiveInfinity;
        if (config.MaxMinutes is double minutes) left = Math.Max(0, 60 * minutes - Seconds);
        if (config.Steps is long steps && samplesPerSecond > 0) left = Math.Min(left, (steps - step) * config.StepSamples / samplesPerSecond);
        return double.IsFinite(left) && left < 1e9 ? TimeSpan.FromSeconds(left) : TimeSpan.Zero;
    }
}
