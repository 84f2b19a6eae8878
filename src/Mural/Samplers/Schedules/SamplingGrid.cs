namespace Mural.Samplers;

/// <summary>
/// What is known of a run before it starts: the timestep that each network call is told, and the noise relative to the signal, σ, of the state that
/// each call sees, followed by that of the result.
/// </summary>
internal sealed record SamplingGrid(double[] Timesteps, double[] Sigmas)
{
    /// <summary>The share of signal in a state of unit variance, √ᾱ = 1/√(σ² + 1).</summary>
    internal static double Alpha(double sigma) => 1 / Math.Sqrt(sigma * sigma + 1);

    /// <summary>The share of noise in a state of unit variance, √(1 − ᾱ) = σ/√(σ² + 1).</summary>
    internal static double NoiseShare(double sigma) => double.IsInfinity(sigma) ? 1 : sigma * Alpha(sigma);
}
