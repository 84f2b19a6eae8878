using static TorchSharp.torch;

namespace Mural.Samplers;

/// <summary>
/// Denoising diffusion implicit models (Song et al., arXiv 2010.02502; Stable Diffusion specification 5.5). η = 0 follows the deterministic path,
/// η = 1 adds as much noise as DDPM.
/// </summary>
internal static class Ddim
{
    internal static SamplerMethod Method { get; } = new(SamplerKind.Ddim, "DDIMScheduler", Plan, Run) { HasZeroTerminal = true };

    internal static SamplingGrid Plan(SamplerOptions options, NoiseTable table, int steps)
    {
        double[] timesteps = TimestepGrid.Create(options.TimestepSpacing ?? TimestepSpacing.Leading, table.Steps, steps, options.StepsOffset, whole: true);
        return WholeTimesteps.Grid(timesteps, table, WholeTimesteps.FinalAlphaBar(options, table, alphaToOne: true));
    }

    private static Tensor Run(SamplingRun run, Tensor x)
    {
        SamplerOptions options = run.Options;
        double eta = options.Eta ?? 0, end = WholeTimesteps.FinalAlphaBar(options, run.Table, alphaToOne: true);
        int stride = run.Table.Steps / run.Count;
        for (int call = run.First; call < run.End; call++)
        {
            using var scope = NewDisposeScope();
            int timestep = (int)run.Timestep(call), previous = timestep - stride;
            double alphaBar = run.Table.AlphaBar(timestep), next = previous >= 0 ? run.Table.AlphaBar(previous) : end, sigma = run.Sigma(call);
            Tensor answer = run.Answer(x, call);
            Tensor noise = Prediction.Noise(options.PredictionType, answer, x, sigma);
            Tensor data = DataLimit.Apply(Prediction.Data(options.PredictionType, answer, x, sigma), options, options.ClipSample ?? true);
            if (options.UseClippedModelOutput) noise = Prediction.NoiseBeside(data, x, sigma);

            double variance = (1 - next) / (1 - alphaBar) * (1 - alphaBar / next), deviation = eta * Math.Sqrt(variance);
            // Where the state holds no signal and eta is 1, the difference is 0 but for rounding to either side.
            double kept = Math.Sqrt(Math.Max(0, 1 - next - deviation * deviation));
            Tensor after = Combination.Of((Math.Sqrt(next), data), (kept, noise));
            if (eta > 0) after.add_(run.Noise(x), alpha: deviation);
            x = run.Advance(call, x, data, after);
        }
        return x;
    }
}
