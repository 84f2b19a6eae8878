using static TorchSharp.torch;

namespace Mural.Samplers;

/// <summary>
/// Linear multistep in σ (k-diffusion; Stable Diffusion specification 5.10): the last slopes are interpolated by a polynomial in σ, whose integral over
/// the step is taken.
/// </summary>
internal static class Lms
{
    internal static SamplerMethod Method { get; } = new(SamplerKind.Lms, "LMSDiscreteScheduler", Plan, Run)
    {
        VarianceExplodes = true,
        HasSigmaSchedules = true,
        Check = (options, _) =>
        {
            if (options.LmsOrder is < 1 or > 4) throw new MuralException($"The order of LMS is {options.LmsOrder}; give 1 to 4.");
        },
    };

    private static SamplingGrid Plan(SamplerOptions options, NoiseTable table, int steps) => SigmaGrid.Create(options, table, steps, end: 0);

    private static Tensor Run(SamplingRun run, Tensor x)
    {
        var slopes = new History(run.Options.LmsOrder);
        for (int call = run.First; call < run.End; call++)
        {
            using var scope = NewDisposeScope();
            Tensor data = run.DataExploding(x, call);
            slopes.Add((x - data) / run.Sigma(call));
            // The order counts the steps of the whole schedule: a run that starts in its middle takes the coefficients of slopes that it does not have, and
            // leaves out their terms. A quirk of the reference that people's pictures have.
            double[] sigmas = [.. Enumerable.Range(0, Math.Min(call + 1, run.Options.LmsOrder)).Select(age => run.Sigma(call - age))];
            Tensor after = x.clone();
            for (int age = 0; age < Math.Min(sigmas.Length, slopes.Count); age++) after.add_(slopes[age], alpha: Coefficient(sigmas, age, run.Sigma(call + 1)));
            x = run.Advance(call, x, data, after);
        }
        return x;
    }

    /// <summary>
    /// The integral from the newest of <paramref name="sigmas"/> to <paramref name="next"/> of the polynomial that is 1 at the σ of the given age and 0 at
    /// the others.
    /// </summary>
    internal static double Coefficient(double[] sigmas, int age, double next)
    {
        double step = next - sigmas[0];
        return LagrangePolynomial.Of(sigmas, age).Select((coefficient, power) => coefficient * Math.Pow(step, power + 1) / (power + 1)).Sum();
    }
}
