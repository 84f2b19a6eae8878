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

    /// <summary>β follows the logistic function from −6 to 6: GeoDiff (arXiv 2203.02923).</summary>
    Sigmoid,

    /// <summary>
    /// ln of the signal-to-noise ratio is spread as Laplace's distribution (arXiv 2407.03297), β at most 0.999; the ends of the β range are not used.
    /// </summary>
    Laplace,

    /// <summary>ᾱ is e^(−12 t); the ends of the β range are not used.</summary>
    Exponential,
}

/// <summary>Noise variances of the training steps, in double precision (Stable Diffusion specification 5.1).</summary>
internal static class BetaTable
{
    private const double LargestBeta = 0.999, LogisticEnd = 6, Decay = 12;

    // Keeps the logarithm of Laplace's schedule finite at both ends.
    private const double LaplaceMargin = 1e-6;

    internal static double[] Create(BetaSchedule schedule, int steps, double first, double last) => schedule switch
    {
        BetaSchedule.Linear => Even(steps, first, last),
        BetaSchedule.ScaledLinear => ScaledLinear(steps, first, last),
        BetaSchedule.SquaredCosine => FromAlphaBar(steps, time => Math.Pow(Math.Cos((time + 0.008) / 1.008 * Math.PI / 2), 2)),
        BetaSchedule.Sigmoid => [.. Even(steps, -LogisticEnd, LogisticEnd).Select(x => first + (last - first) / (1 + Math.Exp(-x)))],
        BetaSchedule.Laplace => FromAlphaBar(steps, Laplace),
        BetaSchedule.Exponential => FromAlphaBar(steps, time => Math.Exp(-Decay * time)),
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

    // √ of the share of signal, as the reference has it, not the share itself.
    private static double Laplace(double time)
    {
        double ratio = Math.Exp(-0.5 * Math.CopySign(1, 0.5 - time) * Math.Log(1 - 2 * Math.Abs(0.5 - time) + LaplaceMargin));
        return Math.Sqrt(ratio / (1 + ratio));
    }

    // For ᾱ as a function of the time in [0, 1].
    private static double[] FromAlphaBar(int steps, Func<double, double> alphaBar) =>
        [.. Enumerable.Range(0, steps).Select(step => Math.Min(1 - alphaBar((step + 1.0) / steps) / alphaBar((double)step / steps), LargestBeta))];
}
