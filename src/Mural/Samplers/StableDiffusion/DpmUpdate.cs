using static TorchSharp.torch;

namespace Mural.Samplers;

/// <summary>What <see cref="SamplerKind.DpmMultistep"/> and <see cref="SamplerKind.DpmSinglestep"/> integrate.</summary>
public enum SolverAlgorithm
{
    /// <summary>The predicted noise (Lu et al., arXiv 2206.00927); cannot end at zero noise.</summary>
    DpmSolver,

    /// <summary>The predicted clean latent (Lu et al., arXiv 2211.01095).</summary>
    DpmSolverPlusPlus,

    /// <summary>The predicted noise in the stochastic equation; for the multistep solver of order 1 and 2, and cannot end at zero noise.</summary>
    SdeDpmSolver,

    /// <summary>The predicted clean latent in the stochastic equation.</summary>
    SdeDpmSolverPlusPlus,
}

/// <summary>How a solver uses its past predictions.</summary>
public enum SolverType
{
    /// <summary>DPM-Solver of order 2 as a midpoint method.</summary>
    Midpoint,

    /// <summary>DPM-Solver by the Taylor expansion.</summary>
    Heun,

    /// <summary>UniPC with B(h) = h.</summary>
    Bh1,

    /// <summary>UniPC with B(h) = e^h − 1.</summary>
    Bh2,
}

/// <summary>
/// One step of DPM-Solver between two noise levels (Stable Diffusion specification 5.10), an exponential integrator in λ = ln(α/s) = −ln σ. All four
/// algorithms are x' = carry · x − weight · (φ1(z) m + c1 D1 + c2 D2) + deviation · n for the newest prediction m and its derivatives D1 and D2, where
/// φ1(z) = e^z − 1 and z is h = λ' − λ with the algorithm's sign and factor.
/// </summary>
internal sealed class DpmUpdate
{
    private readonly bool _taylor;
    private readonly double _carry, _weight, _z, _deviation, _cubicOffset;

    /// <summary>The step from <paramref name="sigma"/> to <paramref name="next"/>, which may be 0 where the clean latent is integrated.</summary>
    internal DpmUpdate(SamplerOptions options, double sigma, double next)
    {
        _taylor = options.SolverType == SolverType.Heun;
        H = Math.Log(sigma / next);
        double alphaRatio = SamplingGrid.Alpha(next) / SamplingGrid.Alpha(sigma), shareRatio = SamplingGrid.NoiseShare(next) / SamplingGrid.NoiseShare(sigma);
        double alpha = SamplingGrid.Alpha(next), share = SamplingGrid.NoiseShare(next);
        (_carry, _weight, _z, _deviation) = options.SolverAlgorithm switch
        {
            SolverAlgorithm.DpmSolver => (alphaRatio, share, H, 0.0),
            SolverAlgorithm.DpmSolverPlusPlus => (shareRatio, alpha, -H, 0),
            SolverAlgorithm.SdeDpmSolver => (alphaRatio, 2 * share, H, share * Math.Sqrt(StableMath.ExpM1(2 * H))),
            SolverAlgorithm.SdeDpmSolverPlusPlus => (shareRatio * next / sigma, alpha, -2 * H, share * Math.Sqrt(-StableMath.ExpM1(-2 * H))),
            _ => throw new ArgumentOutOfRangeException(nameof(options)),
        };
        // The reference's stochastic step of order 3 has the other sign here; kept, so that pictures are the same.
        _cubicOffset = options.SolverAlgorithm == SolverAlgorithm.SdeDpmSolverPlusPlus ? 0.5 : -0.5;
    }

    /// <summary>h = λ' − λ, infinite for a step to zero noise.</summary>
    internal double H { get; }

    internal Tensor First(Tensor x, Tensor prediction, Tensor? noise) => Sum(x, noise, (Phi1, prediction));

    /// <summary>With the first derivative, times h.</summary>
    internal Tensor Second(Tensor x, Tensor prediction, Tensor derivative, Tensor? noise) =>
        Sum(x, noise, (Phi1, prediction), (_taylor ? Phi2 : 0.5 * Phi1, derivative));

    /// <summary>With the first derivative times h, by the Taylor expansion whatever the solver's type.</summary>
    internal Tensor SecondByTaylor(Tensor x, Tensor prediction, Tensor derivative, Tensor? noise) => Sum(x, noise, (Phi1, prediction), (Phi2, derivative));

    /// <summary>With the first derivative times h and the second times h².</summary>
    internal Tensor Third(Tensor x, Tensor prediction, Tensor first, Tensor second, Tensor? noise) =>
        Sum(x, noise, (Phi1, prediction), (Phi2, first), ((Phi1 - _z) / (_z * _z) + _cubicOffset, second));

    private double Phi1 => StableMath.ExpM1(_z);

    private double Phi2 => Phi1 / _z - 1;

    private Tensor Sum(Tensor x, Tensor? noise, params ReadOnlySpan<(double Factor, Tensor Value)> terms)
    {
        // A step of no length, which some schedules end with, has no derivatives.
        if (H == 0) return x.clone();
        Tensor sum = x * _carry;
        foreach ((double factor, Tensor value) in terms) sum.add_(value, alpha: -_weight * factor);
        return noise is null ? sum : sum.add_(noise, alpha: _deviation);
    }
}
