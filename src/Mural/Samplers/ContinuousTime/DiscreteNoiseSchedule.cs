namespace Mural.Samplers;

/// <summary>
/// The process of a network trained on whole steps 1..N (latent DiM, DiM specification 4.1 and 4.3): ln α is known at the times i/N and is
/// linear between them; outside them the first and the last segment are extended. The network's time is N times the solver's.
/// </summary>
public sealed class DiscreteNoiseSchedule : NoiseSchedule
{
    private readonly double[] _betas;
    private readonly double[] _logAlphas;
    private readonly double[] _alphaBars;

    /// <summary>Creates the schedule from the noise variances β_1..β_N of the steps.</summary>
    /// <exception cref="ArgumentException">There are fewer than two steps, or a variance is not between 0 and 1.</exception>
    public DiscreteNoiseSchedule(IReadOnlyList<double> betas)
    {
        ArgumentNullException.ThrowIfNull(betas);
        if (betas.Count < 2) throw new ArgumentException($"A noise schedule needs at least 2 steps, not {betas.Count}.", nameof(betas));
        if (betas.Any(beta => !(beta > 0 && beta < 1))) throw new ArgumentException("Every noise variance must lie between 0 and 1.", nameof(betas));
        _betas = [0, .. betas];
        _logAlphas = new double[_betas.Length];
        _alphaBars = new double[_betas.Length];
        _alphaBars[0] = 1;
        for (int step = 1; step < _betas.Length; step++)
        {
            _logAlphas[step] = _logAlphas[step - 1] + 0.5 * StableMath.LogP1(-_betas[step]);
            _alphaBars[step] = _alphaBars[step - 1] * (1 - _betas[step]);
        }
    }

    /// <summary>
    /// The schedule of Stable Diffusion and of latent DiM: √β runs evenly from √<paramref name="first"/> to √<paramref name="last"/>.
    /// </summary>
    public static DiscreteNoiseSchedule ScaledLinear(int steps = 1000, double first = 0.00085, double last = 0.012) => new(BetaTable.ScaledLinear(steps, first, last));

    /// <summary>N, the number of steps.</summary>
    public int Steps => _betas.Length - 1;

    /// <summary>β of step 0..N; 0 for step 0.</summary>
    public double Beta(int step) => _betas[step];

    /// <summary>ᾱ = α² after step 0..N; 1 for step 0.</summary>
    public double AlphaBar(int step) => _alphaBars[step];

    /// <summary>ᾱ/(1 − ᾱ) after step 0..N; infinite for step 0.</summary>
    public double SignalToNoise(int step) => _alphaBars[step] / (1 - _alphaBars[step]);

    /// <inheritdoc/>
    public override double NetworkTime(double time) => time * Steps;

    /// <inheritdoc/>
    public override double LogAlpha(double time)
    {
        double position = time * Steps;
        int knot = (int)Math.Clamp(Math.Floor(position), 1, Steps - 1);
        return _logAlphas[knot] + (position - knot) * (_logAlphas[knot + 1] - _logAlphas[knot]);
    }

    /// <inheritdoc/>
    public override double TimeOfLambda(double lambda)
    {
        double logAlpha = LogAlphaOfLambda(lambda);
        int knot = Math.Clamp(KnotBefore(logAlpha), 1, Steps - 1);
        return (knot + (logAlpha - _logAlphas[knot]) / (_logAlphas[knot + 1] - _logAlphas[knot])) / Steps;
    }

    // The last step whose ln α is not below the given one; ln α falls from step to step.
    private int KnotBefore(double logAlpha)
    {
        int low = 0, high = Steps;
        while (low < high)
        {
            int middle = (low + high + 1) / 2;
            if (_logAlphas[middle] >= logAlpha) low = middle;
            else high = middle - 1;
        }
        return low;
    }
}
