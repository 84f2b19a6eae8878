namespace Mural.Pipelines;

/// <summary>How a high-resolution stage mixes what is known of the smaller picture, and the dilated network, into its steps (LinFusion specification 5.2).</summary>
public sealed record DilationSettings
{
    /// <summary>Exponent of the cosine that says how much of the noised smaller picture each step starts from (<c>cosine_scale_1</c>); the larger, the less.</summary>
    public double SkipExponent { get; init; } = 3;

    /// <summary>Exponent of the cosine that says how much of the dilated network's step is taken (<c>cosine_scale_2</c>).</summary>
    public double DilatedExponent { get; init; } = 1;

    /// <summary>Exponent of the cosine that narrows the blur towards the end (<c>cosine_scale_3</c>).</summary>
    public double BlurExponent { get; init; } = 1;

    /// <summary>Standard deviation, in latent positions, of the blur of what the dilated network sees (<c>gaussian_sigma</c>).</summary>
    public double BlurSigma { get; init; } = 0.8;

    /// <summary>½ (1 + cos π (T − t) / T): 1 at the noisiest timestep T, 0 at the end.</summary>
    internal static double Cosine(double timestep, int trainTimesteps) => 0.5 * (1 + Math.Cos(Math.PI * (trainTimesteps - timestep) / trainTimesteps));

    /// <exception cref="MuralException">A number is impossible.</exception>
    internal void Require()
    {
        foreach ((string name, double value) in new[] { ("first", SkipExponent), ("second", DilatedExponent), ("third", BlurExponent) })
            if (!(value >= 0 && double.IsFinite(value))) throw new MuralException($"The {name} cosine's exponent is {value}; give a number from 0.");
        if (!(BlurSigma > 0 && double.IsFinite(BlurSigma))) throw new MuralException($"The blur's standard deviation is {BlurSigma}; give a number above 0.");
    }
}
