using static TorchSharp.torch;

namespace Mural.Samplers;

/// <summary>
/// The updates of DPM-Solver and DPM-Solver++ (DiM specification 4.3). Written out, the two forms are one exponential integrator: the noise form
/// carries x by α, corrects it by σ and steps by h = λ_t − λ_s; the data form carries by σ, corrects by α and steps by −h. Predictions m0, m1, m2
/// are of the noise or of the data accordingly, at the start and at the shares r1, r2 of the step in λ.
/// </summary>
internal sealed class DpmSolverFormulas(NoiseSchedule schedule, DpmForm form, DpmCombination combination)
{
    /// <summary>The time at share <paramref name="ratio"/> of the step in λ.</summary>
    internal double InnerTime(double start, double end, double ratio)
    {
        double lambda = schedule.Lambda(start);
        return schedule.TimeOfLambda(lambda + ratio * (schedule.Lambda(end) - lambda));
    }

    /// <summary>First order: A x − B (e^h − 1) m0. Also the way to the first inner point.</summary>
    internal Tensor First(Tensor x, double start, double end, Tensor m0)
    {
        double h = SignedStep(start, end);
        return Sum(x, Carry(start, end), (m0, -Weight(end) * StableMath.ExpM1(h)));
    }

    /// <summary>The second inner point, from the slope between start and first inner point.</summary>
    internal Tensor SecondInner(Tensor x, double start, double inner, Tensor m0, Tensor m1, double r1, double r2)
    {
        // The inner time's own h is r2 of the step's.
        double h = SignedStep(start, inner), weight = Weight(inner);
        return Sum(x, Carry(start, inner), (m0, -weight * StableMath.ExpM1(h)), (m1 - m0, -weight * (r2 / r1) * Phi2(h)));
    }

    /// <summary>Second order, from one inner prediction at <paramref name="r1"/>.</summary>
    internal Tensor Second(Tensor x, double start, double end, Tensor m0, Tensor m1, double r1)
    {
        double h = SignedStep(start, end), weight = Weight(end);
        double slope = combination == DpmCombination.Taylor ? Phi2(h) / r1 : StableMath.ExpM1(h) / (2 * r1);
        return Sum(x, Carry(start, end), (m0, -weight * StableMath.ExpM1(h)), (m1 - m0, -weight * slope));
    }

    /// <summary>Third order, from inner predictions at <paramref name="r1"/> and <paramref name="r2"/>.</summary>
    internal Tensor Third(Tensor x, double start, double end, Tensor m0, Tensor m1, Tensor m2, double r1, double r2)
    {
        double h = SignedStep(start, end), weight = Weight(end);
        (Tensor, double) constant = (m0, -weight * StableMath.ExpM1(h));
        if (combination == DpmCombination.Paper) return Sum(x, Carry(start, end), constant, (m2 - m0, -weight * Phi2(h) / r2));
        Tensor near = (m1 - m0) / r1, far = (m2 - m0) / r2;
        Tensor first = (near * r2 - far * r1) / (r2 - r1), second = (far - near) * (2 / (r2 - r1));
        return Sum(x, Carry(start, end), constant, (first, -weight * Phi2(h)), (second, -weight * (Phi2(h) / h - 0.5)));
    }

    // A: how much of x is left.
    private double Carry(double start, double end) =>
        form == DpmForm.Noise ? Math.Exp(schedule.LogAlpha(end) - schedule.LogAlpha(start)) : schedule.Sigma(end) / schedule.Sigma(start);

    // B: how strongly a prediction enters.
    private double Weight(double end) => form == DpmForm.Noise ? schedule.Sigma(end) : schedule.Alpha(end);

    private double SignedStep(double start, double end)
    {
        double h = schedule.Lambda(end) - schedule.Lambda(start);
        return form == DpmForm.Noise ? h : -h;
    }

    // φ2(h) = (e^h − 1)/h − 1.
    private static double Phi2(double h) => StableMath.ExpM1(h) / h - 1;

    private static Tensor Sum(Tensor x, double carry, params ReadOnlySpan<(Tensor Value, double Factor)> terms)
    {
        Tensor sum = x * carry;
        foreach ((Tensor value, double factor) in terms) sum.add_(value, alpha: factor);
        return sum;
    }
}
