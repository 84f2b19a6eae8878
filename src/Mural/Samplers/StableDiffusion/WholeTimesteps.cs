namespace Mural.Samplers;

/// <summary>What the samplers share that work on ᾱ of whole training steps: DDIM, DDPM, PNDM, LCM and TCD.</summary>
internal static class WholeTimesteps
{
    /// <summary>ᾱ where a step leads below the first training step.</summary>
    internal static double FinalAlphaBar(SamplerOptions options, NoiseTable table, bool alphaToOne) =>
        options.SetAlphaToOne ?? alphaToOne ? 1 : table.AlphaBar(0);

    internal static SamplingGrid Grid(double[] timesteps, NoiseTable table, double finalAlphaBar) =>
        new(timesteps, [.. timesteps.Select(timestep => Sigma(table.AlphaBar((int)timestep))), Sigma(finalAlphaBar)]);

    // Infinite at zero terminal signal-to-noise ratio.
    internal static double Sigma(double alphaBar) => Math.Sqrt((1 - alphaBar) / alphaBar);
}
