using static TorchSharp.torch;

namespace Mural.Samplers;

/// <summary>
/// Euler steps that overshoot the next noise level and add noise back up to it (k-diffusion; Stable Diffusion specification 5.8). Noise is drawn at
/// every step, also the last, which adds none: so do the pictures' seeds count it.
/// </summary>
internal static class EulerAncestral
{
    internal static SamplerMethod Method { get; } = new(SamplerKind.EulerAncestral, "EulerAncestralDiscreteScheduler", Plan, Run)
    {
        VarianceExplodes = true,
        HasSigmaSchedules = true,
        HasZeroTerminal = true,
    };

    /// <summary>How far down a step goes, and how much noise is added back, so that it ends at <paramref name="next"/>.</summary>
    internal static (double Down, double Up) Split(double sigma, double next)
    {
        double up = next * Math.Sqrt((sigma * sigma - next * next) / (sigma * sigma));
        return (Math.Sqrt(next * next - up * up), up);
    }

    private static SamplingGrid Plan(SamplerOptions options, NoiseTable table, int steps) => SigmaGrid.Create(options, table, steps, end: 0);

    private static Tensor Run(SamplingRun run, Tensor x)
    {
        for (int call = run.First; call < run.End; call++)
        {
            using var scope = NewDisposeScope();
            double sigma = run.Sigma(call);
            (double down, double up) = Split(sigma, run.Sigma(call + 1));
            Tensor data = run.DataExploding(x, call), slope = (x - data) / sigma;
            x = run.Advance(call, x, data, Combination.Of((1, x), (down - sigma, slope), (up, run.Noise(x))));
        }
        return x;
    }
}
