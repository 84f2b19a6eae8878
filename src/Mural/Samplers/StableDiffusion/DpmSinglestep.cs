using static TorchSharp.torch;

namespace Mural.Samplers;

/// <summary>
/// DPM-Solver++ within groups of steps (Lu et al., arXiv 2211.01095, algorithm 1; Stable Diffusion specification 5.10): DPM++ 2S. The first step of a group
/// is of order 1 and remembers its state; the next ones start again from there with one more prediction, so that a group of three is one step of order 3.
/// </summary>
internal static class DpmSinglestep
{
    internal static SamplerMethod Method { get; } = new(SamplerKind.DpmSinglestep, "DPMSolverSinglestepScheduler", Plan, Run)
    {
        HasSigmaSchedules = true,
        HasTimestepSpacings = false,
        TakesTimesteps = true,
        Check = Check,
    };

    // Always evenly spread, as in the reference, whatever spacing is asked for.
    private static SamplingGrid Plan(SamplerOptions options, NoiseTable table, int steps) => SigmaGrid.CreateForSolver(options, table, steps, TimestepSpacing.Linspace);

    private static void Check(SamplerOptions options, int steps)
    {
        DpmPrediction.Check(options);
        if (options.SolverAlgorithm == SolverAlgorithm.SdeDpmSolver)
            throw new MuralException("The single-step solver has no algorithm sde-dpmsolver; set algorithm_type to sde-dpmsolver++, or choose the multistep solver.");
    }

    private static Tensor Run(SamplingRun run, Tensor x)
    {
        int[] orders = Orders(run.Options, run.Count);
        var past = new History(run.Options.SolverOrder);
        Tensor remembered = x.alias();
        for (int call = run.First; call < run.End; call++)
        {
            using var scope = NewDisposeScope();
            (Tensor data, Tensor prediction) = DpmPrediction.Of(run, x, call);
            past.Add(prediction);
            // A run that starts within a group has not made the predictions before.
            int order = Math.Min(orders[call], past.Count);
            if (order == 1)
            {
                remembered.Dispose();
                remembered = x.alias().MoveToOuterDisposeScope();
            }
            Tensor? noise = DpmPrediction.IsStochastic(run.Options) ? run.Noise(x) : null;
            x = run.Advance(call, x, data, Step(run, remembered, call, order, past, noise));
        }
        return x;
    }

    private static Tensor Step(SamplingRun run, Tensor remembered, int call, int order, History past, Tensor? noise)
    {
        var update = new DpmUpdate(run.Options, run.Sigma(call - order + 1), run.Sigma(call + 1));
        if (order == 1) return update.First(remembered, past[0], noise);

        double start = DpmPrediction.Lambda(run.Sigma(call - order + 1));
        double r0 = (DpmPrediction.Lambda(run.Sigma(call)) - start) / update.H;
        Tensor far = DpmPrediction.Derivative(past[0], past[order - 1], r0);
        if (order == 2) return update.Second(remembered, past[1], far, noise);

        if (run.Options.SolverType != SolverType.Heun) return update.SecondByTaylor(remembered, past[2], far, noise);
        double r1 = (DpmPrediction.Lambda(run.Sigma(call - 1)) - start) / update.H;
        Tensor near = DpmPrediction.Derivative(past[1], past[2], r1);
        Tensor first = Combination.Of((r0 / (r0 - r1), near), (-r1 / (r0 - r1), far)), second = (far - near) * (2 / (r0 - r1));
        return update.Third(remembered, past[2], first, second, noise);
    }

    /// <summary>The order of every step of the schedule.</summary>
    internal static int[] Orders(SamplerOptions options, int steps)
    {
        int[] orders = [.. Enumerable.Range(0, steps).Select(step => step % options.SolverOrder + 1)];
        bool endsWholeGroup = steps % options.SolverOrder == 0;
        if (options.FinalSigma == FinalSigma.Zero || ((options.LowerOrderFinal ?? false) && endsWholeGroup)) orders[^1] = 1;
        return orders;
    }
}
