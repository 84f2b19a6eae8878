using Mural.Imaging;
using Mural.Runtime;
using Mural.Samplers;
using TorchSharp;
using static TorchSharp.torch;

namespace Mural.Pipelines;

/// <summary>The steps of painting one batch: a start, denoising, decoding.</summary>
/// <param name="parts">The model.</param>
/// <param name="plan">What is painted.</param>
/// <param name="denoiser">The network with everything around it.</param>
/// <param name="refiner">That of the refiner, where the plan has one.</param>
internal sealed class StableDiffusionPainter(StableDiffusionParts parts, StableDiffusionPlan plan, GuidedDenoiser denoiser, GuidedDenoiser? refiner = null)
{
    // Decoding a reduced latent shows enough, at a fraction of the cost.
    private const int LargestPreview = 256;

    private readonly StartingPicture? _picture = plan.Request.InitialPicture is null ? null : new StartingPicture(plan);

    /// <summary>Sees the state after each call.</summary>
    internal Action<Tensor>? OnState { get; init; }

    /// <summary>The finished latents of a batch. Shape: <c>[B, C, h, w]</c>.</summary>
    internal Tensor Paint(int batch, INoise noise, Action<SamplerStep>? onStep, CancellationToken cancellationToken)
    {
        using DisposeScope scope = NewDisposeScope();
        RunStart start = RunStart.Of(plan, _picture, parts.Codec, noise, batch);
        Func<Tensor, int, Tensor>? afterCall = Changed(start);
        Tensor Draw(Tensor like) => noise.Draw(like.shape);
        Tensor latents = plan.Sampler.Sample(
            denoiser.For(start.Channels, noise.Shifts), start.State, Draw, plan.FirstCall..plan.EndCall, afterCall, Counted(plan, onStep), cancellationToken);
        if (plan.Refiner is { } second && refiner is not null)
            latents = second.Sampler.Sample(
                refiner.For(null, noise.Shifts), latents, Draw, second.FirstCall..second.EndCall, afterCall, Counted(second, onStep), cancellationToken);
        return latents.MoveToOuterDisposeScope();
    }

    /// <summary>The picture of one latent, <c>[1, C, h, w]</c>.</summary>
    internal Picture Decode(Tensor latent)
    {
        // Denoising and decoding leave blocks that do not fit each other: kept, each picture would find fewer to use again.
        Allocator.Trim();
        Picture painted = Decoded(latent);
        Allocator.Trim();
        return _picture?.Finish(painted) ?? painted;
    }

    private Picture Decoded(Tensor latent)
    {
        using DisposeScope scope = NewDisposeScope();
        return PictureTensors.ToPictures(parts.Codec.Decode(latent))[0];
    }

    /// <summary>What an estimate of clean latents shows, small: the first picture of a batch.</summary>
    internal Picture Preview(Tensor estimate)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor first = estimate.narrow(0, 0, 1);
        double factor = Math.Min(1, (double)LargestPreview / parts.Codec.Downscale / Math.Max(first.shape[2], first.shape[3]));
        long[] size = [Math.Max(1, (long)(first.shape[2] * factor)), Math.Max(1, (long)(first.shape[3] * factor))];
        return PictureTensors.ToPictures(parts.Codec.Decode(nn.functional.interpolate(first, size, mode: InterpolationMode.Area)))[0];
    }

    // The calls of base model and refiner are counted as one run.
    private static Action<SamplerStep>? Counted(StableDiffusionPlan part, Action<SamplerStep>? onStep) =>
        onStep is null ? null : step => onStep(step with { Index = part.EarlierCalls + step.Index, Count = part.RunCalls });

    private Func<Tensor, int, Tensor>? Changed(RunStart start) => OnState is not { } seen ? start.AfterCall : (state, next) =>
    {
        Tensor changed = start.AfterCall?.Invoke(state, next) ?? state;
        seen(changed);
        return changed;
    };
}
