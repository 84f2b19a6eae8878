using static TorchSharp.torch;

namespace Mural.Samplers;

/// <summary>Noise that <see cref="SamplerKind.Euler"/> adds before its steps (Karras et al., arXiv 2206.00364, algorithm 2).</summary>
/// <param name="Amount">How much in all; 0 for none (<c>s_churn</c>).</param>
/// <param name="Lowest">The lowest σ at which noise is added (<c>s_tmin</c>).</param>
/// <param name="Highest">The highest σ at which noise is added (<c>s_tmax</c>).</param>
/// <param name="Deviation">The standard deviation of the noise, a little above 1 to keep detail (<c>s_noise</c>).</param>
public sealed record EulerChurn(double Amount = 0, double Lowest = 0, double Highest = double.PositiveInfinity, double Deviation = 1);

/// <summary>Euler steps of the probability-flow ODE in σ, dx/dσ = (x − data)/σ (Stable Diffusion specification 5.8).</summary>
internal static class Euler
{
    internal static SamplerMethod Method { get; } = new(SamplerKind.Euler, "EulerDiscreteScheduler", Plan, Run)
    {
        VarianceExplodes = true,
        HasSigmaSchedules = true,
        HasZeroTerminal = true,
        TakesTimesteps = true,
        TakesSigmas = true,
    };

    /// <summary>Whether the network is told something else than timesteps; of other predictions, the reference tells timesteps all the same.</summary>
    internal static bool TellsNoise(SamplerOptions options) =>
        options is { Sampler: SamplerKind.Euler, ContinuousTimesteps: true, PredictionType: PredictionType.VPrediction };

    private static SamplingGrid Plan(SamplerOptions options, NoiseTable table, int steps)
    {
        SamplingGrid grid = SigmaGrid.Create(options, table, steps, SigmaGrid.End(options, table));
        return TellsNoise(options) ? grid with { Timesteps = [.. grid.Sigmas[..^1].Select(sigma => 0.25 * Math.Log(sigma))] } : grid;
    }

    private static Tensor Run(SamplingRun run, Tensor x)
    {
        for (int call = run.First; call < run.End; call++)
        {
            using var scope = NewDisposeScope();
            double sigma = run.Sigma(call), next = run.Sigma(call + 1), raised = sigma * (1 + Churn(run, sigma));
            Tensor answer = run.Answer(x, call);
            Tensor state = raised > sigma
                ? Combination.Of((1, x), (Math.Sqrt(raised * raised - sigma * sigma) * run.Options.Churn.Deviation, run.Noise(x)))
                : x;
            // As in the reference, a velocity is read at the noise level that the network was told.
            PredictionType type = run.Options.PredictionType;
            Tensor data = Prediction.DataExploding(type, answer, state, type == PredictionType.VPrediction ? sigma : raised);
            Tensor slope = (state - data) / raised;
            x = run.Advance(call, x, data, Combination.Of((1, state), (next - raised, slope)));
        }
        return x;
    }

    private static double Churn(SamplingRun run, double sigma)
    {
        EulerChurn churn = run.Options.Churn;
        return sigma >= churn.Lowest && sigma <= churn.Highest ? Math.Min(churn.Amount / run.Intervals, Math.Sqrt(2) - 1) : 0;
    }
}
