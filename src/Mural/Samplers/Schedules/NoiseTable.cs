namespace Mural.Samplers;

/// <summary>
/// The noise of the training steps t = 0..T−1 (Stable Diffusion specification 5.1): a noisy latent is √ᾱ times the clean one plus √(1 − ᾱ) times
/// standard normal noise, and σ = √((1 − ᾱ)/ᾱ) is the noise relative to the signal. All in double precision.
/// </summary>
internal sealed class NoiseTable
{
    // Stands in for ᾱ = 0, whose σ is infinite, where a sampler works in σ: the reference's choice, the smallest number of 16-bit floats.
    private const double SmallestAlphaBar = 1.0 / (1 << 24);

    private readonly double[] _alphaBars;
    private readonly double[] _betas;
    private readonly double[] _sigmas;
    private readonly double[] _logSigmas;

    internal NoiseTable(IReadOnlyList<double> betas, bool zeroTerminal)
    {
        _alphaBars = new double[betas.Count];
        double product = 1;
        for (int step = 0; step < betas.Count; step++) _alphaBars[step] = product *= 1 - betas[step];
        if (zeroTerminal) _alphaBars = BetaTable.ZeroTerminal(_alphaBars);
        _betas = zeroTerminal ? [.. _alphaBars.Select((alphaBar, step) => 1 - alphaBar / (step == 0 ? 1 : _alphaBars[step - 1]))] : [.. betas];
        _sigmas = [.. _alphaBars.Select(alphaBar => alphaBar == 0 ? SmallestAlphaBar : alphaBar).Select(alphaBar => Math.Sqrt((1 - alphaBar) / alphaBar))];
        _logSigmas = [.. _sigmas.Select(sigma => Math.Log(sigma))];
    }

    /// <summary>T, the number of training steps.</summary>
    internal int Steps => _alphaBars.Length;

    /// <summary>The largest σ, that of the last training step.</summary>
    internal double LargestSigma => _sigmas[^1];

    /// <summary>The smallest σ, that of the first training step.</summary>
    internal double SmallestSigma => _sigmas[0];

    /// <summary>β of a training step.</summary>
    internal double Beta(int timestep) => _betas[timestep];

    /// <summary>ᾱ of a training step; exactly 0 at the end of a table of zero terminal signal-to-noise ratio.</summary>
    internal double AlphaBar(int timestep) => _alphaBars[timestep];

    /// <summary>σ between training steps, linear in t.</summary>
    internal double Sigma(double timestep)
    {
        double position = Math.Clamp(timestep, 0, Steps - 1);
        int low = Math.Min((int)position, Steps - 2);
        return _sigmas[low] + (position - low) * (_sigmas[low + 1] - _sigmas[low]);
    }

    /// <summary>The timestep of a σ, linear in ln σ; σ outside the table is that of its ends.</summary>
    internal double Timestep(double sigma)
    {
        double logSigma = Math.Log(Math.Max(sigma, 1e-10));
        int found = Array.BinarySearch(_logSigmas, logSigma);
        int low = Math.Clamp(found >= 0 ? found : ~found - 1, 0, Steps - 2);
        return low + Math.Clamp((logSigma - _logSigmas[low]) / (_logSigmas[low + 1] - _logSigmas[low]), 0, 1);
    }

    /// <summary>How many steps have a half log signal-to-noise ratio −ln σ of at least <paramref name="lambda"/>.</summary>
    internal int StepsAbove(double lambda) => _logSigmas.Count(logSigma => -logSigma >= lambda);
}
