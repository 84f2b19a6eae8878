using static TorchSharp.torch;

namespace Mural.Samplers;

/// <summary>
/// Pseudo numerical methods (Liu et al., arXiv 2202.09778; Stable Diffusion specification 5.7): the deterministic step of DDIM with a noise prediction
/// combined of the last four (PLMS). The first interval is done twice; or, in the paper's form, three steps of Runge-Kutta (PRK) come first.
/// </summary>
internal static class Pndm
{
    private const int WarmUpSteps = 3, CallsOfRungeKutta = 4;

    internal static SamplerMethod Method { get; } = new(SamplerKind.Pndm, "PNDMScheduler", Plan, Run) { Check = Check, CheckLaterStart = CheckLaterStart };

    private static SamplingGrid Plan(SamplerOptions options, NoiseTable table, int steps)
    {
        double[] spaced = TimestepGrid.Create(options.TimestepSpacing ?? TimestepSpacing.Leading, table.Steps, steps, options.StepsOffset, whole: true);
        double half = table.Steps / steps / 2;
        IEnumerable<double> timesteps = options.SkipPrkSteps
            ? steps == 1 ? spaced : [spaced[0], .. spaced[1..2], .. spaced[1..]]
            : [.. Enumerable.Range(0, WarmUpSteps)
                .SelectMany(step => new[] { spaced[step], spaced[step + 1] + half, spaced[step + 1] + half, spaced[step + 1] }), .. spaced[WarmUpSteps..]];
        return WholeTimesteps.Grid([.. timesteps], table, WholeTimesteps.FinalAlphaBar(options, table, alphaToOne: false));
    }

    private static void Check(SamplerOptions options, int steps)
    {
        if (options.PredictionType == PredictionType.Sample)
            throw new MuralException("PNDM cannot sample a model that predicts the clean latent (prediction_type sample); choose another sampler.");
        if (!options.SkipPrkSteps && steps <= WarmUpSteps)
            throw new MuralException($"PNDM with Runge-Kutta steps needs at least {WarmUpSteps + 1} steps, not {steps}; ask for more, or set skip_prk_steps.");
    }

    private static void CheckLaterStart(SamplerOptions options)
    {
        if (!options.SkipPrkSteps)
            throw new MuralException("PNDM with Runge-Kutta steps can only start from noise, not from a picture or with a refiner; set skip_prk_steps, or choose another sampler.");
    }

    private static Tensor Run(SamplingRun run, Tensor x)
    {
        var path = new Path(run);
        var past = new History(4);
        return run.Options.SkipPrkSteps ? Multistep(run, path, past, x, run.First) : Multistep(run, path, past, RungeKutta(run, path, past, x), WarmUpSteps * CallsOfRungeKutta);
    }

    // The classical method of order 4 from one timestep to the next; only the first call of a step counts as a past prediction.
    private static Tensor RungeKutta(SamplingRun run, Path path, History past, Tensor x)
    {
        for (int step = 0; step < WarmUpSteps && step * CallsOfRungeKutta < run.End; step++)
        {
            using var scope = NewDisposeScope();
            int call = step * CallsOfRungeKutta, start = (int)run.Timestep(call), half = run.Table.Steps / path.Steps / 2;
            Tensor state = x, slope = zeros_like(x);
            for (int stage = 0; stage < CallsOfRungeKutta && call + stage < run.End; stage++)
            {
                Tensor answer = run.Answer(state, call + stage);
                if (stage == 0) past.Add(answer);
                slope = Combination.Of((1, slope), (stage is 0 or 3 ? 1 / 6.0 : 1 / 3.0, answer));
                int target = (int)run.Timestep(call + stage) - (stage % 2 == 0 ? half : 0);
                Tensor data = path.Data(state, answer, call + stage);
                state = run.Finish(call + stage, state, data, path.Transfer(x, start, target, stage == 3 ? slope : answer));
            }
            x = SamplingRun.Carry(x, state);
        }
        return x;
    }

    private static Tensor Multistep(SamplingRun run, Path path, History past, Tensor x, int first)
    {
        bool repeats = run.Options.SkipPrkSteps;
        Tensor? start = null;
        for (int call = first; call < run.End; call++)
        {
            using var scope = NewDisposeScope();
            int timestep = (int)run.Timestep(call);
            Tensor answer = run.Answer(x, call), after;
            if (repeats && call == first + 1)
            {
                // The second call sees the end of the first interval, which is then done again with the mean of both ends.
                Tensor mean = Combination.Of((0.5, answer), (0.5, past[0]));
                after = path.Transfer(start!, timestep + path.Stride, timestep, mean);
                start!.Dispose();
            }
            else
            {
                past.Add(answer);
                if (repeats && call == first) start = x.alias().MoveToOuterDisposeScope();
                after = path.Transfer(x, timestep, timestep - path.Stride, Combined(past));
            }
            x = run.Advance(call, x, path.Data(x, answer, call), after);
        }
        return x;
    }

    // The Adams-Bashforth formulas of orders 1 to 4.
    private static Tensor Combined(History past) => past.Count switch
    {
        1 => past[0],
        2 => Combination.Of((3 / 2.0, past[0]), (-1 / 2.0, past[1])),
        3 => Combination.Of((23 / 12.0, past[0]), (-16 / 12.0, past[1]), (5 / 12.0, past[2])),
        _ => Combination.Of((55 / 24.0, past[0]), (-59 / 24.0, past[1]), (37 / 24.0, past[2]), (-9 / 24.0, past[3])),
    };

    /// <summary>The deterministic path between two timesteps along a predicted noise.</summary>
    private sealed class Path(SamplingRun run)
    {
        private readonly double _end = WholeTimesteps.FinalAlphaBar(run.Options, run.Table, alphaToOne: false);

        internal int Steps { get; } = run.Options.SkipPrkSteps ? Math.Max(run.Count - 1, 1) : run.Count - WarmUpSteps * (CallsOfRungeKutta - 1);

        internal int Stride => run.Table.Steps / Steps;

        internal Tensor Transfer(Tensor x, int from, int to, Tensor answer)
        {
            // Doing the first interval again may count from beyond the table.
            double alphaBar = run.Table.AlphaBar(Math.Min(from, run.Table.Steps - 1)), next = to >= 0 ? run.Table.AlphaBar(to) : _end;
            Tensor noise = Prediction.Noise(run.Options.PredictionType, answer, x, WholeTimesteps.Sigma(alphaBar));
            double denominator = alphaBar * Math.Sqrt(1 - next) + Math.Sqrt(alphaBar * (1 - alphaBar) * next);
            return Combination.Of((Math.Sqrt(next / alphaBar), x), (-(next - alphaBar) / denominator, noise));
        }

        internal Tensor Data(Tensor x, Tensor answer, int call) => Prediction.Data(run.Options.PredictionType, answer, x, run.Sigma(call));
    }
}
