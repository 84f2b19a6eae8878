namespace Mural.Samplers;

/// <summary>How the noise levels σ of a run are spread (Stable Diffusion specification 5.9).</summary>
public enum SigmaSchedule
{
    /// <summary>σ is that of the timesteps.</summary>
    FromTimesteps,

    /// <summary>σ^(1/7) runs evenly (Karras et al., arXiv 2206.00364).</summary>
    Karras,

    /// <summary>ln σ runs evenly.</summary>
    Exponential,

    /// <summary>Quantiles of the Beta(0.6, 0.6) distribution, dense at both ends (arXiv 2407.12173).</summary>
    Beta,

    /// <summary>ln σ runs evenly and timesteps are rounded rather than truncated: DPM-Solver's own (Lu et al.); for the multistep solver only.</summary>
    Lu,

    /// <summary>The ten steps that were optimised for Stable Diffusion 1.5 (Align Your Steps, arXiv 2404.14507), interpolated.</summary>
    AlignYourSteps,

    /// <summary>The ten steps that were optimised for SDXL, interpolated.</summary>
    AlignYourStepsXL,
}

/// <summary>Falling lists of σ; the σ that a run ends at is not among them.</summary>
internal static class SigmaShapes
{
    private const double Rho = 7;

    private static readonly double[] AlignedSteps = [14.615, 6.475, 3.861, 2.697, 1.886, 1.396, 0.963, 0.652, 0.399, 0.152, 0.029];
    private static readonly double[] AlignedStepsXL = [14.615, 6.315, 3.771, 2.181, 1.342, 0.862, 0.555, 0.380, 0.234, 0.113, 0.029];

    /// <summary>N values of σ from <paramref name="largest"/> to <paramref name="smallest"/>; the aligned ones have a range of their own.</summary>
    internal static double[] Create(SigmaSchedule schedule, double largest, double smallest, int steps) => schedule switch
    {
        SigmaSchedule.Karras => Karras(largest, smallest, steps),
        SigmaSchedule.Exponential or SigmaSchedule.Lu => Exponential(largest, smallest, steps),
        SigmaSchedule.Beta => Beta(largest, smallest, steps),
        SigmaSchedule.AlignYourSteps => Aligned(AlignedSteps, steps),
        SigmaSchedule.AlignYourStepsXL => Aligned(AlignedStepsXL, steps),
        _ => throw new ArgumentOutOfRangeException(nameof(schedule)),
    };

    internal static double[] Exponential(double largest, double smallest, int steps)
    {
        double first = Math.Log(largest), last = Math.Log(smallest);
        return Along(largest, smallest, steps, share => Math.Exp(first + share * (last - first)));
    }

    private static double[] Karras(double largest, double smallest, int steps)
    {
        double first = Math.Pow(largest, 1 / Rho), last = Math.Pow(smallest, 1 / Rho);
        return Along(largest, smallest, steps, share => Math.Pow(first + share * (last - first), Rho));
    }

    private static double[] Beta(double largest, double smallest, int steps) =>
        Along(largest, smallest, steps, share => smallest + (largest - smallest) * BetaDistribution.Quantile(1 - share));

    // N + 1 values, linear in ln σ between those of the table; the last one is where the run ends.
    private static double[] Aligned(double[] table, int steps) => [.. Enumerable.Range(0, steps).Select(step =>
    {
        double position = (double)step / steps * (table.Length - 1);
        int low = Math.Min((int)position, table.Length - 2);
        return table[low] * Math.Pow(table[low + 1] / table[low], position - low);
    })];

    // The ends are exact whatever the way through powers and logarithms lost.
    private static double[] Along(double first, double last, int steps, Func<double, double> value) =>
        [.. Enumerable.Range(0, steps).Select(step => step == 0 ? first : step == steps - 1 ? last : value(step / (steps - 1.0)))];
}
