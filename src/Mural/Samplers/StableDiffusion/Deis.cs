using static TorchSharp.torch;

namespace Mural.Samplers;

/// <summary>
/// Diffusion exponential integrator sampler (Zhang and Chen, arXiv 2204.13902) in its log ρ form: the last predictions of the noise are interpolated by a
/// polynomial in ln σ, whose integral over the step in σ is taken. It ends at the noise of the first training step.
/// </summary>
internal static class Deis
{
    // Runs of fewer steps end with lower orders.
    private const int FewSteps = 15;

    internal static SamplerMethod Method { get; } = new(SamplerKind.Deis, "DEISMultistepScheduler", Plan, Run)
    {
        HasSigmaSchedules = true,
        Check = (options, _) =>
        {
            if (options.SolverOrder is < 1 or > 3) throw new MuralException($"The order of DEIS is {options.SolverOrder}; give 1 to 3.");
        },
    };

    private static SamplingGrid Plan(SamplerOptions options, NoiseTable table, int steps) =>
        SigmaGrid.CreateForSolver(options with { FinalSigma = FinalSigma.SigmaMin }, table, steps, options.TimestepSpacing ?? TimestepSpacing.Linspace);

    private static Tensor Run(SamplingRun run, Tensor x)
    {
        SamplerOptions options = run.Options;
        var past = new History(options.SolverOrder);
        for (int call = run.First; call < run.End; call++)
        {
            using var scope = NewDisposeScope();
            double sigma = run.Sigma(call), next = run.Sigma(call + 1);
            Tensor answer = run.Answer(x, call);
            Tensor data = DataLimit.Apply(Prediction.Data(options.PredictionType, answer, x, sigma), options, clip: false);
            past.Add(options.Thresholding ? Prediction.NoiseBeside(data, x, sigma) : Prediction.Noise(options.PredictionType, answer, x, sigma));

            double[] sigmas = [.. Enumerable.Range(0, Order(run, call, past.Count)).Select(age => run.Sigma(call - age))];
            Tensor after = x * (SamplingGrid.Alpha(next) / SamplingGrid.Alpha(sigma));
            for (int age = 0; age < sigmas.Length; age++) after.add_(past[age], alpha: SamplingGrid.Alpha(next) * Coefficient(sigmas, age, next));
            x = run.Advance(call, x, data, after);
        }
        return x;
    }

    private static int Order(SamplingRun run, int call, int predictions)
    {
        bool lowersAtEnd = (run.Options.LowerOrderFinal ?? true) && run.Count < FewSteps;
        int order = Math.Min(lowersAtEnd ? Math.Min(run.Options.SolverOrder, run.Count - call) : run.Options.SolverOrder, predictions);
        // Nearly as many steps as the model was trained on may share noise levels, between which there is no polynomial.
        return 1 + Enumerable.Range(1, order - 1).TakeWhile(age => run.Sigma(call - age) > run.Sigma(call - age + 1)).Count();
    }

    /// <summary>
    /// The integral in σ from the newest of <paramref name="sigmas"/> to <paramref name="next"/> of the polynomial in ln σ that is 1 at the σ of the given age
    /// and 0 at the others.
    /// </summary>
    private static double Coefficient(double[] sigmas, int age, double next)
    {
        double[] polynomial = LagrangePolynomial.Of([.. sigmas.Select(sigma => Math.Log(sigma))], age);
        // With v = ln(σ/σ_newest), that of v^n e^v for each power n, by parts.
        double step = Math.Log(next / sigmas[0]), growth = Math.Exp(step), integral = StableMath.ExpM1(step), power = 1, sum = polynomial[0] * integral;
        for (int n = 1; n < polynomial.Length; n++)
        {
            power *= step;
            integral = power * growth - n * integral;
            sum += polynomial[n] * integral;
        }
        return sigmas[0] * sum;
    }
}
