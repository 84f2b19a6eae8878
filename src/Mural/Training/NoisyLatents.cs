using Mural.Samplers;
using TorchSharp;
using static TorchSharp.torch;

namespace Mural.Training;

/// <summary>What a network of Stable Diffusion is trained with: latents at some noise, and what the scheduler asks for there (spec stable-diffusion.md 5.1).</summary>
/// <param name="Noisy">√ᾱ x + √(1 − ᾱ) ε. Shape: `[B, C, h, w]`.</param>
/// <param name="Target">The noise, the velocity or the clean latents. Shape: `[B, C, h, w]`.</param>
internal sealed record NoisyLatents(Tensor Noisy, Tensor Target)
{
    /// <summary>Adds noise to latents.</summary>
    /// <param name="sampling">The model's noise schedule, and what it predicts.</param>
    /// <param name="clean">Latents x in the denoiser's scale, float32. Shape: `[B, C, h, w]`.</param>
    /// <param name="noise">Standard normal ε, float32.</param>
    /// <param name="timesteps">The training step of each, from 0.</param>
    internal static NoisyLatents At(SamplerOptions sampling, Tensor clean, Tensor noise, IReadOnlyList<long> timesteps)
    {
        using DisposeScope scope = NewDisposeScope();
        NoiseTable table = Table(sampling);
        Tensor Column(Func<double, double> share) =>
            tensor([.. timesteps.Select(timestep => (float)Math.Sqrt(share(table.AlphaBar((int)timestep))))], device: clean.device).view(-1, 1, 1, 1);
        Tensor signal = Column(alphaBar => alphaBar), deviation = Column(alphaBar => 1 - alphaBar);
        Tensor target = sampling.PredictionType switch
        {
            PredictionType.Epsilon => noise.alias(),
            PredictionType.VPrediction => signal * noise - deviation * clean,
            _ => clean.alias(),
        };
        return new NoisyLatents((signal * clean + deviation * noise).MoveToOuterDisposeScope(), target.MoveToOuterDisposeScope());
    }

    /// <summary>Signal-to-noise ratios ᾱ/(1 − ᾱ), float32. Shape: `[B]`.</summary>
    internal static Tensor Ratios(SamplerOptions sampling, IReadOnlyList<long> timesteps, Device device)
    {
        NoiseTable table = Table(sampling);
        return tensor([.. timesteps.Select(timestep => (float)(table.AlphaBar((int)timestep) / (1 - table.AlphaBar((int)timestep))))], device: device);
    }

    /// <summary>The noise of a model's training steps, whatever it is sampled with.</summary>
    internal static NoiseTable Table(SamplerOptions sampling) => Sampler.Create(sampling with { Sampler = SamplerKind.Ddpm }, steps: 1).Table;
}
