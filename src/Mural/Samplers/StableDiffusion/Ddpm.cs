using static TorchSharp.torch;

namespace Mural.Samplers;

/// <summary>The variance of the noise that <see cref="SamplerKind.Ddpm"/> adds.</summary>
public enum VarianceType
{
    /// <summary>That of the posterior, β̃.</summary>
    FixedSmall,

    /// <summary>β̃ by way of its logarithm.</summary>
    FixedSmallLog,

    /// <summary>That of the forward step, β.</summary>
    FixedLarge,
}

/// <summary>
/// Denoising diffusion probabilistic models (Ho et al., arXiv 2006.11239; Stable Diffusion specification 5.6): the posterior of the next noise level given
/// the predicted clean latent.
/// </summary>
internal static class Ddpm
{
    private const double SmallestVariance = 1e-20;

    internal static SamplerMethod Method { get; } = new(SamplerKind.Ddpm, "DDPMScheduler", Plan, Run) { HasZeroTerminal = true, TakesTimesteps = true };

    private static SamplingGrid Plan(SamplerOptions options, NoiseTable table, int steps)
    {
        double[] timesteps = options.CustomTimesteps is { } custom
            ? [.. custom]
            : TimestepGrid.Create(options.TimestepSpacing ?? TimestepSpacing.Leading, table.Steps, steps, options.StepsOffset, whole: true);
        return WholeTimesteps.Grid(timesteps, table, finalAlphaBar: 1);
    }

    private static Tensor Run(SamplingRun run, Tensor x)
    {
        SamplerOptions options = run.Options;
        for (int call = run.First; call < run.End; call++)
        {
            using var scope = NewDisposeScope();
            int timestep = (int)run.Timestep(call);
            double alphaBar = run.Table.AlphaBar(timestep), next = call + 1 < run.Count ? run.Table.AlphaBar((int)run.Timestep(call + 1)) : 1;
            double alpha = alphaBar / next, beta = 1 - alpha;
            Tensor data = Prediction.Data(options.PredictionType, run.Answer(x, call), x, run.Sigma(call));
            data = DataLimit.Apply(data, options, options.ClipSample ?? true);

            Tensor after = Combination.Of((Math.Sqrt(next) * beta / (1 - alphaBar), data), (Math.Sqrt(alpha) * (1 - next) / (1 - alphaBar), x));
            if (timestep > 0)
            {
                double variance = options.VarianceType == VarianceType.FixedLarge ? beta : Math.Max((1 - next) / (1 - alphaBar) * beta, SmallestVariance);
                after.add_(run.Noise(x), alpha: Math.Sqrt(variance));
            }
            x = run.Advance(call, x, data, after);
        }
        return x;
    }
}
