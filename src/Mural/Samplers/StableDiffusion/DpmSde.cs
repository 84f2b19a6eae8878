using static TorchSharp.torch;

namespace Mural.Samplers;

/// <summary>
/// DPM-Solver++ of the stochastic equation in σ (k-diffusion's <c>dpmpp_sde</c>; Stable Diffusion specification 5.10): DPM++ SDE. An ancestral step to the
/// middle of the interval in ln σ, then one over the whole with the prediction found there. The noise of both belongs to one Brownian path, whose two
/// increments are drawn here; other programs draw it from trees of their own, so that the same seed gives another picture of the same kind.
/// </summary>
internal static class DpmSde
{
    internal static SamplerMethod Method { get; } = new(SamplerKind.DpmSde, "DPMSolverSDEScheduler", Plan, Run)
    {
        VarianceExplodes = true,
        CallsPerStep = 2,
        HasSigmaSchedules = true,
        DefaultBetas = (BetaSchedule.Linear, 0.00085, 0.012),
    };

    private static SamplingGrid Plan(SamplerOptions options, NoiseTable table, int steps) =>
        SigmaGrid.WithInnerCalls(SigmaGrid.Create(options, table, steps, end: 0), table, (sigma, next) => Math.Sqrt(sigma * next));

    private static Tensor Run(SamplingRun run, Tensor x)
    {
        for (int call = run.First; call < run.End; call += 2)
        {
            using var scope = NewDisposeScope();
            double sigma = run.Sigma(call), middle = run.Sigma(call + 1);
            Tensor data = run.DataExploding(x, call), state;
            if (middle == 0)
            {
                // The step to zero noise: Euler's ends at the clean latent.
                state = run.Finish(call, x, data, data);
            }
            else
            {
                double next = run.Sigma(call + 2);
                Tensor first = run.Noise(x);
                state = run.Finish(call, x, data, Ancestral(x, data, sigma, middle, first));
                if (call + 1 < run.End)
                {
                    Tensor middleData = run.DataExploding(state, call + 1);
                    Tensor path = Combination.Of((Math.Sqrt((sigma - middle) / (sigma - next)), first), (Math.Sqrt((middle - next) / (sigma - next)), run.Noise(x)));
                    state = run.Finish(call + 1, state, middleData, Ancestral(x, middleData, sigma, next, path));
                }
            }
            x = SamplingRun.Carry(x, state);
        }
        return x;
    }

    private static Tensor Ancestral(Tensor x, Tensor data, double sigma, double next, Tensor noise)
    {
        (double down, double up) = EulerAncestral.Split(sigma, next);
        return Combination.Of((down / sigma, x), (1 - down / sigma, data), (up, noise));
    }
}
