using Mural.Imaging;
using Mural.Samplers;
using TorchSharp;
using static TorchSharp.torch;

namespace Mural.Pipelines;

/// <summary>The steps of painting one batch: a start, denoising, decoding.</summary>
/// <param name="parts">The model.</param>
/// <param name="plan">What is painted.</param>
/// <param name="denoiser">The network with everything around it.</param>
internal sealed class StableDiffusionPainter(StableDiffusionParts parts, StableDiffusionPlan plan, GuidedDenoiser denoiser)
{
    private readonly StartingPicture? _picture = plan.Request.InitialPicture is null ? null : new StartingPicture(plan);

    /// <summary>Sees the state after each call.</summary>
    internal Action<Tensor>? OnState { get; init; }

    /// <summary>The finished latents of a batch. Shape: <c>[B, C, h, w]</c>.</summary>
    internal Tensor Paint(int batch, INoise noise, Action<SamplerStep>? onStep, CancellationToken cancellationToken)
    {
        using DisposeScope scope = NewDisposeScope();
        RunStart start = RunStart.Of(plan, _picture, parts.Codec, noise, batch);
        return plan.Sampler.Sample(
            denoiser.For(start.Channels), start.State, like => noise.Draw(like.shape), plan.FirstCall.., Changed(start), onStep, cancellationToken).MoveToOuterDisposeScope();
    }

    /// <summary>The picture of one latent, <c>[1, C, h, w]</c>.</summary>
    internal Picture Decode(Tensor latent)
    {
        using DisposeScope scope = NewDisposeScope();
        Picture painted = PictureTensors.ToPictures(parts.Codec.Decode(latent))[0];
        return _picture?.Finish(painted) ?? painted;
    }

    private Func<Tensor, int, Tensor>? Changed(RunStart start) => OnState is not { } seen ? start.AfterCall : (state, next) =>
    {
        Tensor changed = start.AfterCall?.Invoke(state, next) ?? state;
        seen(changed);
        return changed;
    };
}
