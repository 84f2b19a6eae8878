using Mural.Layers.Strips;
using Mural.Runtime;
using Mural.Samplers;
using TorchSharp;
using static TorchSharp.torch;

namespace Mural.Pipelines;

/// <summary>Paints a large picture: the first one as ever, then each enlargement of the one before it (LinFusion specification 5). Every stage draws from the seed anew.</summary>
/// <param name="parts">The model.</param>
/// <param name="refiner">SDXL's refiner, which finishes the first stage, or null.</param>
/// <param name="plan">What is painted.</param>
/// <param name="folder">Keeps the stages.</param>
/// <param name="batches">Whether a plan's guidance is one call of the network.</param>
/// <param name="strips">How networks run where they shall take little memory, or null.</param>
internal sealed class LargePicturePainter(
    StableDiffusionParts parts, StableDiffusionParts? refiner, LargePicturePlan plan, StageFolder folder, Func<StableDiffusionPlan, bool> batches, StripOptions? strips)
{
    private long Seed => plan.Request.Picture.Seed;

    private Device Device => parts.Runtime.Device;

    /// <summary>Paints the stages that are not finished.</summary>
    internal void Paint(Action<LargePictureProgress>? progress, CancellationToken cancellation)
    {
        using var quiet = no_grad();
        for (int stage = folder.Finished; stage < plan.Stages.Count; stage++)
        {
            using DisposeScope scope = NewDisposeScope();
            int now = stage;
            void Report(StableDiffusionStage what, int done, int count) =>
                progress?.Invoke(new LargePictureProgress(now, plan.Stages.Count, new StableDiffusionProgress(what, done, count)));
            if (stage > 0) Enlarge(stage, Report, cancellation);
            else if (plan.Method == UpscaleMethod.SuperResolution) folder.Write(stage, file => file.Write(0, plan.Request.Picture.InitialPicture!.ToRgb()));
            else Begin(Report, cancellation);
            Allocator.Trim();
        }
    }

    private void Begin(Action<StableDiffusionStage, int, int> report, CancellationToken cancellation)
    {
        StableDiffusionPlan first = plan.Stages[0].Plan;
        using TextTimeline texts = parts.Encode(first);
        using TextTimeline? refinerTexts = first.Refiner is { } second ? refiner!.Encode(second) : null;
        report(StableDiffusionStage.Encoding, 1, 1);
        using var denoiser = new GuidedDenoiser(parts.UNet, first, texts, batches(first), strips);
        using GuidedDenoiser? finishing = refinerTexts is null ? null : new GuidedDenoiser(refiner!.UNet, first.Refiner!, refinerTexts, batches(first), strips);
        using var noise = new PictureNoise(first.Request.Noise, [Seed], Device);
        Tensor latent = new StableDiffusionPainter(parts, first, denoiser, finishing).Paint(1, noise, step => Stepped(step, first.RunCalls, report), cancellation);
        if (plan.Method == UpscaleMethod.HighResolution) folder.Keep(ChannelStatistics.Of(latent));
        Finish(0, latent, report, cancellation);
    }

    private void Enlarge(int stage, Action<StableDiffusionStage, int, int> report, CancellationToken cancellation)
    {
        LargePictureStage next = plan.Stages[stage];
        using TextTimeline texts = parts.Encode(next.Plan);
        report(StableDiffusionStage.Encoding, 1, 1);
        using var noise = new PictureNoise(next.Plan.Request.Noise, [Seed], Device);
        using RgbFile before = folder.Open(stage - 1);
        Tensor clean = folder.Between(
            next.Width, next.Height, enlarged => StreamedResize.Bicubic(before, enlarged, cancellation), enlarged => parts.Codec.Encode(enlarged, noise, cancellation));
        Allocator.Trim();
        using var denoiser = new GuidedDenoiser(parts.UNet, next.Plan, texts, batches(next.Plan), strips);
        Tensor latent = Denoise(next, clean, noise, denoiser, step => Stepped(step, next.Calls, report), cancellation);
        clean.Dispose();
        Finish(stage, latent, report, cancellation);
    }

    private Tensor Denoise(LargePictureStage stage, Tensor clean, PictureNoise noise, GuidedDenoiser denoiser, Action<SamplerStep> onStep, CancellationToken cancellation)
    {
        Sampler sampler = stage.Plan.Sampler;
        LatentDenoiser network = denoiser.For(null, noise.Shifts);
        using Tensor drawn = noise.Draw(clean.shape);
        Tensor Draw(Tensor like) => noise.Draw(like.shape);
        if (plan.Method == UpscaleMethod.SdEdit)
        {
            using Tensor start = sampler.AddNoise(clean, drawn, stage.Plan.FirstCall);
            return sampler.Sample(network, start, Draw, stage.Plan.FirstCall..stage.Plan.EndCall, null, onStep, cancellation);
        }
        ChannelStatistics anchor = plan.Method == UpscaleMethod.HighResolution ? folder.Anchor(Device) : ChannelStatistics.Of(clean);
        var sampling = new DilatedSampling(sampler, network, parts.UNet.Dilated(network, stage.Ratio), plan.Request.Dilation, stage.Ratio);
        return anchor.GiveTo(sampling.Run(clean, drawn, stage.Plan.FirstCall, Draw, onStep, cancellation));
    }

    private void Finish(int stage, Tensor latent, Action<StableDiffusionStage, int, int> report, CancellationToken cancellation)
    {
        Allocator.Trim();
        folder.Write(stage, picture => parts.Codec.Decode(latent, picture, cancellation));
        report(StableDiffusionStage.Decoding, 1, 1);
    }

    private void Stepped(SamplerStep step, int calls, Action<StableDiffusionStage, int, int> report)
    {
        plan.Request.Picture.OnStep?.Invoke(step);
        report(StableDiffusionStage.Sampling, step.Index, calls);
    }
}
