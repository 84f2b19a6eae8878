namespace Mural.Samplers;

/// <summary>How the noise variances β of the training steps grow (Stable Diffusion specification 5.1).</summary>
public enum BetaSchedule
{
    /// <summary>β runs evenly from the first to the last.</summary>
    Linear,

    /// <summary>√β runs evenly: all Stable Diffusion families.</summary>
    ScaledLinear,

    /// <summary>ᾱ follows a squared cosine, β at most 0.999; the ends of the β range are not used.</summary>
    SquaredCosine,
}

/// <summary>Noise variances of the training steps, in double precision (Stable Diffusion specification 5.1).</summary>
internal static class BetaTable
{
    private const double LargestBeta = 0.999;

    internal static double[] Create(BetaSchedule schedule, int steps, double first, double last) => schedule switch
    {
        BetaSchedule.Linear => Even(steps, first, last),
        BetaSchedule.ScaledLinear => ScaledLinear(steps, first, last),
        BetaSchedule.SquaredCosine => SquaredCosine(steps),
        _ => throw new ArgumentOutOfRangeException(nameof(schedule)),
    };

    internal static double[] ScaledLinear(int steps, double first, double last) =>
        [.. Even(steps, Math.Sqrt(first), Math.Sqrt(last)).Select(root => root * root)];

    /// <summary>
    /// ᾱ shifted and stretched so that nothing of the picture is left after the last step (Lin et al., arXiv 2305.08891): √ᾱ keeps its first value and
    /// ends at 0.
    /// </summary>
    internal static double[] ZeroTerminal(IReadOnlyList<double> alphaBars)
    {
        double first = Math.Sqrt(alphaBars[0]), last = Math.Sqrt(alphaBars[^1]);
        return [.. alphaBars.Select(alphaBar => Math.Pow((Math.Sqrt(alphaBar) - last) * first / (first - last), 2))];
    }

    private static double[] Even(int steps, double first, double last) =>
        [.. Enumerable.Range(0, steps).Select(step => first + step / (steps - 1.0) * (last - first))];

    private static double[] SquaredCosine(int steps)
    {
        static double AlphaBar(double time) => Math.Pow(Math.Cos((time + 0.008) / 1.008 * Math.PI / 2), 2);
        return [.. Enumerable.Range(0, steps).Select(step => Math.Min(1 - AlphaBar((step + 1.0) / steps) / AlphaBar((double)step / steps), LargestBeta))];
    }
}
