namespace Mural.Samplers;

/// <summary>
/// The variance-preserving SDE whose β(t) grows evenly (Song et al., arXiv 2011.13456), used by pixel DiM (DiM specification 4.2).
/// The network's time is 999 times the solver's.
/// </summary>
public sealed class LinearNoiseSchedule(double first = 0.1, double last = 20) : NoiseSchedule
{
    private const double NetworkTimeScale = 999;

    private readonly double _slope = last - first;

    /// <summary>β(t), the rate at which noise enters.</summary>
    public double Beta(double time) => first + _slope * time;

    /// <summary>ᾱ(t) = α(t)².</summary>
    public double AlphaBar(double time) => Math.Exp(2 * LogAlpha(time));

    /// <inheritdoc/>
    public override double LogAlpha(double time) => -0.25 * _slope * time * time - 0.5 * first * time;

    /// <inheritdoc/>
    public override double NetworkTime(double time) => NetworkTimeScale * time;

    /// <inheritdoc/>
    public override double TimeOfLambda(double lambda)
    {
        // The root of ¼ slope t² + ½ first t + ln α = 0, in the form that does not cancel for small t.
        double quadratic = -4 * _slope * LogAlphaOfLambda(lambda);
        return quadratic / (Math.Sqrt(first * first + quadratic) + first) / _slope;
    }
}
