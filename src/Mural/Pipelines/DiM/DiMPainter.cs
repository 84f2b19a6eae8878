using Mural.DiM;
using Mural.Imaging;
using Mural.Samplers;
using static TorchSharp.torch;

namespace Mural.Pipelines;

/// <summary>The steps of painting one batch: noise, denoising, decoding.</summary>
internal sealed class DiMPainter(DiMParts parts, bool batchGuidance)
{
    // Latents are denoised in the discrete process, pixels in the continuous one.
    private readonly NoiseSchedule _schedule = parts.Autoencoder is null ? new LinearNoiseSchedule() : DiscreteNoiseSchedule.ScaledLinear();

    /// <summary>
    /// Standard normal noise, <c>[B, C, H, W]</c>; drawn picture by picture on the CPU, so that neither batch nor device changes what a seed paints.
    /// </summary>
    internal Tensor Noise(DiMPlan plan, IReadOnlyList<ulong> seeds)
    {
        using var scope = NewDisposeScope();
        long[] shape = [1, parts.Model.Config.InChannels, plan.Height / parts.PixelsPerValue, plan.Width / parts.PixelsPerValue];
        IEnumerable<Tensor> noises = seeds.Select(seed =>
        {
            using var generator = new Generator(seed);
            return randn(shape, ScalarType.Float32, generator: generator);
        });
        return cat([.. noises]).to(parts.Runtime.Device).MoveToOuterDisposeScope();
    }

    /// <summary>Removes the noise, <c>[B, C, H, W]</c>.</summary>
    internal Tensor Denoise(DiMPlan plan, Tensor noise, Action<SamplerStep> onStep, CancellationToken cancellationToken)
    {
        using var scope = NewDisposeScope();
        Denoiser denoiser = plan.Request.Upscale > 1 ? Upsampling(plan, noise) : Guided(plan, noise, Plain());
        return DpmSolver.Sample(denoiser, noise, _schedule, Solver(plan), onStep, cancellationToken).MoveToOuterDisposeScope();
    }

    /// <summary>The picture of one denoised latent, <c>[1, C, H, W]</c>.</summary>
    internal Picture Decode(Tensor latent)
    {
        using var scope = NewDisposeScope();
        if (parts.Autoencoder is not { } autoencoder) return PictureTensors.ToPictures(latent)[0];
        Tensor unscaled = autoencoder.UnscaleLatent(latent).to(parts.Runtime.TypeFor(autoencoder.Config));
        return PictureTensors.ToPictures(autoencoder.Decode(unscaled))[0];
    }

    // DPM-Solver++ for pictures of the trained size, as the official code; upsampling uses the noise form, and pixels have a solver grid of their own.
    private DpmSolverOptions Solver(DiMPlan plan)
    {
        DpmSolverOptions solver = plan.Request.Solver
            ?? (parts.Autoencoder is null ? DpmSolverOptions.Pixel : new DpmSolverOptions { Form = plan.Request.Upscale > 1 ? DpmForm.Noise : DpmForm.Data });
        return solver with { Steps = plan.Steps };
    }

    // On another grid than the trained one, positions are interpolated.
    private ConditionalDenoiser Plain() => DiMDenoiser.Create(parts.Model, _schedule, new DiMForwardOptions { ResizePositions = true });

    private Denoiser Upsampling(DiMPlan plan, Tensor noise)
    {
        var discrete = (DiscreteNoiseSchedule)_schedule;
        int patch = parts.Model.Config.PatchSize;
        var large = new TokenGrid((int)noise.shape[2] / patch, (int)noise.shape[3] / patch);
        Denoiser network = Guided(plan, noise, DiMDenoiser.CreateForUpsampling(parts.Model, discrete, large, plan.Request.SkipTuning));
        return new UpsampleGuidance(discrete, plan.UpsampleGuidance).Wrap(network, network);
    }

    private Denoiser Guided(DiMPlan plan, Tensor noise, ConditionalDenoiser network)
    {
        int batch = (int)noise.shape[0];
        (Tensor condition, Tensor none) = parts.Vocabulary is null ? Classes(plan.Labels, batch) : Words(plan.Labels, batch);
        // Without a condition there is nothing to be led away from.
        double scale = plan.Labels.Count == 0 ? 1 : plan.Guidance;
        var options = new GuidanceOptions(scale, GuidanceConvention.Common, batchGuidance);
        return ClassifierFreeGuidance.Wrap(network, condition.to(noise.device), none.to(noise.device), options);
    }

    private (Tensor Condition, Tensor None) Classes(IReadOnlyList<int> labels, int batch)
    {
        long none = parts.Model.Config.NullLabel;
        return (full([batch], labels.Count == 0 ? none : labels[0], ScalarType.Int64), full([batch], none, ScalarType.Int64));
    }

    private static (Tensor Condition, Tensor None) Words(IReadOnlyList<int> labels, int batch)
    {
        Tensor condition = Vocabulary.ToLabels([.. Enumerable.Repeat(labels, batch)]);
        return (condition, full_like(condition, -1));
    }
}
