using static TorchSharp.torch;

namespace Mural.Samplers;

/// <summary>
/// Trajectory consistency distillation (Zheng et al., arXiv 2402.19159, algorithm 4): each call moves along the deterministic path below the next timestep,
/// by a share η of it, and noise leads back up.
/// </summary>
internal static class Tcd
{
    private const double DefaultEta = 0.3;

    internal static SamplerMethod Method { get; } = DistilledTimesteps.Method(SamplerKind.Tcd, "TCDScheduler", Run);

    private static Tensor Run(SamplingRun run, Tensor x)
    {
        SamplerOptions options = run.Options;
        double eta = options.Eta ?? DefaultEta;
        for (int call = run.First; call < run.End; call++)
        {
            using var scope = NewDisposeScope();
            int next = call + 1 < run.Count ? (int)run.Timestep(call + 1) : 0;
            double nextAlphaBar = run.Table.AlphaBar(next), lower = run.Table.AlphaBar((int)Math.Floor((1 - eta) * next));
            Tensor answer = run.Answer(x, call);
            Tensor data = Prediction.Data(options.PredictionType, answer, x, run.Sigma(call));
            Tensor noise = Prediction.Noise(options.PredictionType, answer, x, run.Sigma(call));

            Tensor after = Combination.Of((Math.Sqrt(lower), data), (Math.Sqrt(1 - lower), noise));
            if (eta > 0 && call + 1 < run.Count)
                after = Combination.Of((Math.Sqrt(nextAlphaBar / lower), after), (Math.Sqrt(1 - nextAlphaBar / lower), run.Noise(x)));
            x = run.Advance(call, x, data, after);
        }
        return x;
    }
}
