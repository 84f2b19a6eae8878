using static TorchSharp.torch;

namespace Mural.Samplers;

/// <summary>
/// DPM-Solver-2 in σ (Lu et al., arXiv 2206.00927, in k-diffusion's form): the slope in the middle of a step in ln σ serves the whole step. The ancestral
/// one overshoots and adds noise back, as <see cref="EulerAncestral"/> does. It draws in the second call of a step alone, as the reference does from its release 0.31
/// on; earlier ones drew in the first call too, for nothing.
/// </summary>
internal static class Dpm2
{
    internal static SamplerMethod Method { get; } = Create(SamplerKind.Dpm2, "KDPM2DiscreteScheduler", ancestral: false);

    internal static SamplerMethod AncestralMethod { get; } = Create(SamplerKind.Dpm2Ancestral, "KDPM2AncestralDiscreteScheduler", ancestral: true);

    private static SamplerMethod Create(SamplerKind kind, string className, bool ancestral) =>
        new(kind, className, (options, table, steps) => Plan(options, table, steps, ancestral), (run, x) => Run(run, x, ancestral))
        {
            VarianceExplodes = true,
            CallsPerStep = 2,
            HasSigmaSchedules = true,
            DefaultBetas = (BetaSchedule.Linear, 0.00085, 0.012),
        };

    private static SamplingGrid Plan(SamplerOptions options, NoiseTable table, int steps, bool ancestral)
    {
        SamplingGrid grid = SigmaGrid.Create(options, table, steps, end: 0);
        // Of the shapes, the reference rounds only this one's timesteps.
        if (options.SigmaSchedule == SigmaSchedule.Karras) grid = grid with { Timesteps = [.. grid.Timesteps.Select(timestep => Math.Round(timestep))] };
        return SigmaGrid.WithInnerCalls(grid, table, (sigma, next) => Math.Sqrt(sigma * Target(sigma, next, ancestral).Down));
    }

    private static (double Down, double Up) Target(double sigma, double next, bool ancestral) => ancestral ? EulerAncestral.Split(sigma, next) : (next, 0);

    private static Tensor Run(SamplingRun run, Tensor x, bool ancestral)
    {
        for (int call = run.First; call < run.End; call += 2)
        {
            using var scope = NewDisposeScope();
            double sigma = run.Sigma(call), middle = run.Sigma(call + 1);
            Tensor data = run.DataExploding(x, call);
            Tensor state = run.Finish(call, x, data, Combination.Of((1, x), ((middle - sigma) / sigma, x - data)));
            if (middle > 0 && call + 1 < run.End)
            {
                (double down, double up) = Target(sigma, run.Sigma(call + 2), ancestral);
                Tensor middleData = run.DataExploding(state, call + 1);
                Tensor after = Combination.Of((1, x), ((down - sigma) / middle, state - middleData));
                if (ancestral) after.add_(run.Noise(x), alpha: up);
                state = run.Finish(call + 1, state, middleData, after);
            }
            x = SamplingRun.Carry(x, state);
        }
        return x;
    }
}
