using static TorchSharp.torch;

namespace Mural.Samplers;

/// <summary>
/// Latent consistency models (Luo et al., arXiv 2310.04378; Stable Diffusion specification 5.12): each call jumps to the clean latent, and noise leads back
/// up to the next timestep.
/// </summary>
internal static class Lcm
{
    private const double DataDeviation = 0.5;

    internal static SamplerMethod Method { get; } = DistilledTimesteps.Method(SamplerKind.Lcm, "LCMScheduler", Run);

    private static Tensor Run(SamplingRun run, Tensor x)
    {
        SamplerOptions options = run.Options;
        for (int call = run.First; call < run.End; call++)
        {
            using var scope = NewDisposeScope();
            Tensor data = Prediction.Data(options.PredictionType, run.Answer(x, call), x, run.Sigma(call));
            data = DataLimit.Apply(data, options, options.ClipSample ?? false);

            // The boundary condition of consistency models: at timestep 0 the output is the input.
            double scaled = run.Timestep(call) * options.TimestepScaling, square = scaled * scaled + DataDeviation * DataDeviation;
            Tensor denoised = Combination.Of((scaled / Math.Sqrt(square), data), (DataDeviation * DataDeviation / square, x));
            Tensor after = denoised;
            if (call + 1 < run.Count)
            {
                double next = run.Sigma(call + 1);
                after = Combination.Of((SamplingGrid.Alpha(next), denoised), (SamplingGrid.NoiseShare(next), run.Noise(x)));
            }
            x = run.Advance(call, x, denoised, after);
        }
        return x;
    }
}
