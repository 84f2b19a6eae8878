namespace Mural.Samplers;

/// <summary>How the timesteps of a run are spread over the T training steps (Stable Diffusion specification 5.3 and 5.9).</summary>
public enum TimestepSpacing
{
    /// <summary>Every (T / N)th step from 0 on, plus the steps offset; does not reach the last training step.</summary>
    Leading,

    /// <summary>Evenly from the last training step to the first.</summary>
    Linspace,

    /// <summary>Every (T / N)th step counted down from the last training step, as few-step models need it.</summary>
    Trailing,

    /// <summary>Evenly from the last training step to where one more step would be 0.</summary>
    SgmUniform,

    /// <summary>Every (T / N)th step counted down from the last training step, without Trailing's rounding.</summary>
    Simple,
}

/// <summary>Lists of timesteps, falling. Rounding is half to even, as in the reference.</summary>
internal static class TimestepGrid
{
    /// <summary>The N timesteps of samplers whose last one may be 0. Fractional ones are rounded where <paramref name="whole"/> says so.</summary>
    internal static double[] Create(TimestepSpacing spacing, int trainSteps, int steps, int offset, bool whole)
    {
        double[] timesteps = spacing switch
        {
            TimestepSpacing.Leading => Leading(trainSteps / steps, Enumerable.Range(0, steps), trainSteps, offset),
            TimestepSpacing.Linspace => [.. Even(trainSteps - 1, steps).Reverse()],
            _ => Common(spacing, trainSteps, trainSteps, steps),
        };
        return whole ? Rounded(timesteps) : timesteps;
    }

    /// <summary>
    /// The N whole timesteps of DPM-Solver and UniPC, which take the end of the last interval apart: even spacings have one interval more and leave their
    /// last entry out. <paramref name="last"/> is the number of training steps that may be used, counted from the first.
    /// </summary>
    internal static double[] CreateForSolver(TimestepSpacing spacing, int trainSteps, int last, int steps, int offset) => Rounded(spacing switch
    {
        TimestepSpacing.Leading => Leading(last / (steps + 1), Enumerable.Range(1, steps), trainSteps, offset),
        TimestepSpacing.Linspace => [.. Even(last - 1, steps + 1).Skip(1).Reverse()],
        _ => Common(spacing, trainSteps, last, steps),
    });

    private static double[] Common(TimestepSpacing spacing, int trainSteps, int last, int steps) => spacing switch
    {
        TimestepSpacing.Trailing => Trailing((double)trainSteps / steps, last, steps),
        TimestepSpacing.SgmUniform => [.. Even(last - 1, steps + 1).Skip(1).Reverse()],
        TimestepSpacing.Simple => [.. Enumerable.Range(0, steps).Select(step => (double)(last - 1 - (long)step * last / steps))],
        _ => throw new ArgumentOutOfRangeException(nameof(spacing)),
    };

    private static double[] Leading(int stride, IEnumerable<int> steps, int trainSteps, int offset)
    {
        double[] timesteps = [.. steps.Reverse().Select(step => (double)step * stride + offset)];
        return stride > 0 && timesteps[0] < trainSteps && timesteps[^1] >= 0
            ? timesteps
            : throw new MuralException(
                $"{timesteps.Length} steps of leading spacing with an offset of {offset} do not fit into {trainSteps} training steps; ask for fewer steps, or another spacing.");
    }

    // Counting stops at the number of steps: the reference's floating-point range gives one too many for some numbers. Its steps are multiples of the difference of its first
    // two entries, which decides where halves are rounded to.
    private static double[] Trailing(double stride, int last, int steps)
    {
        double difference = last - stride - last;
        return [.. Enumerable.Range(0, steps).Select(step => last + step * difference).Where(end => end > 0).Select(end => Math.Max(0, Math.Round(end) - 1))];
    }

    // From 0 to the given end.
    private static double[] Even(double end, int count) =>
        count == 1 ? [0] : [.. Enumerable.Range(0, count).Select(step => step == count - 1 ? end : step * (end / (count - 1)))];

    private static double[] Rounded(double[] timesteps) => [.. timesteps.Select(timestep => Math.Round(timestep))];
}
