using static TorchSharp.torch;

namespace Mural.Samplers;

/// <summary>
/// Heun's method in σ (Karras et al., arXiv 2206.00364, algorithm 1; Stable Diffusion specification 5.10): an Euler step to the next noise level, done
/// again with the mean of the slopes at both ends; the step to zero noise is Euler's.
/// </summary>
internal static class Heun
{
    internal static SamplerMethod Method { get; } = new(SamplerKind.Heun, "HeunDiscreteScheduler", Plan, Run)
    {
        VarianceExplodes = true,
        CallsPerStep = 2,
        HasSigmaSchedules = true,
        TakesTimesteps = true,
        DefaultBetas = (BetaSchedule.Linear, 0.00085, 0.012),
    };

    // The second call of a step sees the next step's noise level.
    private static SamplingGrid Plan(SamplerOptions options, NoiseTable table, int steps)
    {
        SamplingGrid grid = SigmaGrid.Create(options, table, steps, end: 0);
        return new SamplingGrid(FirstAndTwice(grid.Timesteps), [.. FirstAndTwice(grid.Sigmas[..^1]), grid.Sigmas[^1]]);
    }

    private static Tensor Run(SamplingRun run, Tensor x)
    {
        for (int call = run.First; call < run.End; call += 2)
        {
            using var scope = NewDisposeScope();
            double sigma = run.Sigma(call), next = run.Sigma(call + 1);
            Tensor data = Data(run, x, call), slope = (x - data) / sigma;
            Tensor state = run.Finish(call, x, data, Combination.Of((1, x), (next - sigma, slope)));
            if (next > 0 && call + 1 < run.End)
            {
                Tensor nextData = Data(run, state, call + 1), nextSlope = (state - nextData) / next;
                state = run.Finish(call + 1, state, nextData, Combination.Of((1, x), (0.5 * (next - sigma), slope), (0.5 * (next - sigma), nextSlope)));
            }
            x = SamplingRun.Carry(x, state);
        }
        return x;
    }

    private static Tensor Data(SamplingRun run, Tensor x, int call)
    {
        Tensor data = run.DataExploding(x, call);
        return run.Options.ClipSample ?? false ? DataLimit.Clip(data, run.Options) : data;
    }

    private static double[] FirstAndTwice(double[] values) => [values[0], .. values.Skip(1).SelectMany(value => new[] { value, value })];
}
