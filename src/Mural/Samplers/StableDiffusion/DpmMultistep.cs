using static TorchSharp.torch;

namespace Mural.Samplers;

/// <summary>
/// DPM-Solver++ from past predictions (Lu et al., arXiv 2211.01095, algorithm 2; Stable Diffusion specification 5.10): DPM++ 2M, with noise 2M SDE, also
/// of orders 1 and 3.
/// </summary>
internal static class DpmMultistep
{
    // Runs of fewer steps end with lower orders.
    private const int FewSteps = 15;

    internal static SamplerMethod Method { get; } = new(SamplerKind.DpmMultistep, "DPMSolverMultistepScheduler", Plan, Run)
    {
        HasSigmaSchedules = true,
        HasZeroTerminal = true,
        TakesTimesteps = true,
        Check = Check,
    };

    private static SamplingGrid Plan(SamplerOptions options, NoiseTable table, int steps) =>
        SigmaGrid.CreateForSolver(options, table, steps, options.TimestepSpacing ?? TimestepSpacing.Linspace);

    private static void Check(SamplerOptions options, int steps)
    {
        DpmPrediction.Check(options);
        if (options is { SolverAlgorithm: SolverAlgorithm.SdeDpmSolver, SolverOrder: > 2 })
            throw new MuralException("The solver sde-dpmsolver has no order 3; set solver_order to 1 or 2, or algorithm_type to sde-dpmsolver++.");
    }

    private static Tensor Run(SamplingRun run, Tensor x)
    {
        var past = new History(run.Options.SolverOrder);
        for (int call = run.First; call < run.End; call++)
        {
            using var scope = NewDisposeScope();
            (Tensor data, Tensor prediction) = DpmPrediction.Of(run, x, call);
            past.Add(prediction);
            Tensor? noise = DpmPrediction.IsStochastic(run.Options) ? run.Noise(x) : null;
            x = run.Advance(call, x, data, Step(run, x, call, past, noise));
        }
        return x;
    }

    private static Tensor Step(SamplingRun run, Tensor x, int call, History past, Tensor? noise)
    {
        var update = new DpmUpdate(run.Options, run.Sigma(call), run.Sigma(call + 1));
        int order = Math.Min(Order(run.Options, call, run.Count), past.Count);
        if (order == 1) return update.First(x, past[0], noise);

        double lambda = DpmPrediction.Lambda(run.Sigma(call)), previous = DpmPrediction.Lambda(run.Sigma(call - 1));
        double r0 = (lambda - previous) / update.H;
        Tensor near = DpmPrediction.Derivative(past[0], past[1], r0);
        if (order == 2) return update.Second(x, past[0], near, noise);

        double r1 = (previous - DpmPrediction.Lambda(run.Sigma(call - 2))) / update.H;
        Tensor far = DpmPrediction.Derivative(past[1], past[2], r1), bend = (near - far) / (r0 + r1);
        return update.Third(x, past[0], Combination.Of((1, near), (r0, bend)), bend, noise);
    }

    private static int Order(SamplerOptions options, int call, int count)
    {
        bool lowersAtEnd = (options.LowerOrderFinal ?? true) && count < FewSteps;
        if (call == count - 1 && (lowersAtEnd || options.EulerAtFinal || options.FinalSigma == FinalSigma.Zero)) return 1;
        return call == count - 2 && lowersAtEnd ? Math.Min(options.SolverOrder, 2) : options.SolverOrder;
    }
}
