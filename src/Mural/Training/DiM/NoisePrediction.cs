using Mural.DiM;
using Mural.Samplers;
using static TorchSharp.torch;

namespace Mural.Training;

/// <summary>The task that a diffusion model learns: find the noise in x_t = α x_0 + σ ε (spec dim.md 4.1 and 4.2).</summary>
internal static class NoisePrediction
{
    /// <summary>The share of signal and noise of each sample, and the time that the network is told.</summary>
    /// <param name="Alpha">float32. Shape: `[B, 1, 1, 1]`.</param>
    /// <param name="Sigma">float32. Shape: `[B, 1, 1, 1]`.</param>
    /// <param name="NetworkTime">float32. Shape: `[B]`.</param>
    internal sealed record Level(Tensor Alpha, Tensor Sigma, Tensor NetworkTime) : IDisposable
    {
        /// <summary>Some of the samples' levels.</summary>
        internal Level Narrow(long first, long count) => new(Alpha.narrow(0, first, count), Sigma.narrow(0, first, count), NetworkTime.narrow(0, first, count));

        public void Dispose()
        {
            Alpha.Dispose();
            Sigma.Dispose();
            NetworkTime.Dispose();
        }
    }

    /// <summary>Levels of whole steps 1..N of a latent model.</summary>
    internal static Level At(DiscreteNoiseSchedule schedule, long[] steps, Device device) => Make(
        [.. steps.Select(n => schedule.AlphaBar((int)n))], [.. steps.Select(n => 1 - schedule.AlphaBar((int)n))], [.. steps.Select(n => (float)n)], device);

    /// <summary>Levels of times in [0, 1] of a pixel model.</summary>
    internal static Level At(LinearNoiseSchedule schedule, double[] times, Device device) => Make(
        [.. times.Select(schedule.AlphaBar)], [.. times.Select(t => Math.Pow(schedule.Sigma(t), 2))], [.. times.Select(t => (float)schedule.NetworkTime(t))], device);

    /// <summary>The loss of each sample, weighted as the settings say. Shape: `[B]`.</summary>
    /// <param name="model">The network, which is told the noisy samples, their times and labels.</param>
    /// <param name="clean">Latents or pictures, float32. Shape: `[B, C, H, W]`.</param>
    /// <param name="noise">Standard normal noise, float32. Shape: `[B, C, H, W]`.</param>
    /// <param name="level">How much of each.</param>
    /// <param name="labels">Labels as <see cref="DiMModel.Forward"/> takes them, or null.</param>
    /// <param name="config">Rounding of the inputs, weighting and gradient checkpointing.</param>
    internal static Tensor Losses(DiMModel model, Tensor clean, Tensor noise, Level level, Tensor? labels, DiMTrainingConfig config)
    {
        using var scope = NewDisposeScope();
        (Tensor noisy, Tensor time) = config.RoundInputs ? NoisyRounded(clean, noise, level) : (Noisy(clean, noise, level), level.NetworkTime);
        Tensor prediction = model.Forward(noisy, time, labels, new DiMForwardOptions { GradientCheckpointing = config.GradientCheckpointing });
        Tensor losses = (prediction - noise).square().mean([1, 2, 3]);
        if (config.MinSnrGamma is double gamma) losses = losses * MinSnrWeights(level, gamma);
        return losses.MoveToOuterDisposeScope();
    }

    /// <summary>The noisy input.</summary>
    internal static Tensor Noisy(Tensor clean, Tensor noise, Level level)
    {
        using var scope = NewDisposeScope();
        return (level.Alpha * clean + level.Sigma * noise).MoveToOuterDisposeScope();
    }

    /// <summary>
    /// The same as the released training computes it: data, coefficients, products and sum are each rounded to bfloat16, and so is the time that the network is told.
    /// </summary>
    internal static (Tensor Noisy, Tensor NetworkTime) NoisyRounded(Tensor clean, Tensor noise, Level level)
    {
        using var scope = NewDisposeScope();
        Tensor noisy = level.Alpha.to(bfloat16) * clean.to(bfloat16) + level.Sigma.to(bfloat16) * noise.to(bfloat16);
        return (noisy.to(float32).MoveToOuterDisposeScope(), level.NetworkTime.to(bfloat16).to(float32).MoveToOuterDisposeScope());
    }

    /// <summary>The weights of <see cref="MinSnr"/> for noise. Shape: `[B]`.</summary>
    internal static Tensor MinSnrWeights(Level level, double gamma)
    {
        using var scope = NewDisposeScope();
        return MinSnr.Weights((level.Alpha / level.Sigma).square().flatten(), gamma, PredictionType.Epsilon).MoveToOuterDisposeScope();
    }

    private static Level Make(double[] signal, double[] noise, float[] times, Device device)
    {
        using var scope = NewDisposeScope();
        Tensor Column(double[] squares) => tensor(squares.Select(s => (float)Math.Sqrt(s)).ToArray(), device: device).reshape(-1, 1, 1, 1).DetachFromDisposeScope();
        return new Level(Column(signal), Column(noise), tensor(times, device: device).DetachFromDisposeScope());
    }
}
