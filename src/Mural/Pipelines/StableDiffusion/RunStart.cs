using Mural.Imaging;
using Mural.Samplers;
using TorchSharp;
using static TorchSharp.torch;

namespace Mural.Pipelines;

/// <summary>
/// What a run of the sampler starts with: noise, a picture with noise, or a picture of which a part is repainted (Stable Diffusion specification 5.14, 5.15). Random
/// numbers are drawn in the order of diffusers.
/// </summary>
/// <param name="State">The state at its first call. Shape: <c>[B, C, h, w]</c>.</param>
internal sealed record RunStart(Tensor State)
{
    /// <summary>What the network sees beside the latents, or null. Shape: <c>[B, C, h, w]</c>.</summary>
    internal Tensor? Channels { get; init; }

    /// <summary>What is done to the state after a call, given the next one, or null.</summary>
    internal Func<Tensor, int, Tensor>? AfterCall { get; init; }

    /// <summary>The start that the request asks for.</summary>
    internal static RunStart Of(StableDiffusionPlan plan, StartingPicture? picture, PictureCodec codec, INoise noise, int batch)
    {
        if (picture is null) return FromNoise(plan, codec, noise, batch);
        return plan.Request.Mask is null ? FromPicture(plan, picture, codec, noise, batch) : FromMaskedPicture(plan, picture, codec, noise, batch);
    }

    private static RunStart FromNoise(StableDiffusionPlan plan, PictureCodec codec, INoise noise, int batch) =>
        new(noise.Draw(plan.LatentShape(codec, batch)) * plan.Sampler.InitialNoiseSigma);

    private static RunStart FromPicture(StableDiffusionPlan plan, StartingPicture picture, PictureCodec codec, INoise noise, int batch)
    {
        Tensor clean = codec.Encode(picture.Pixels(plan.Device), noise, batch);
        Tensor drawn = noise.Draw(clean.shape);
        return new RunStart(plan.Sampler.AddNoise(clean, drawn, plan.FirstCall));
    }

    private static RunStart FromMaskedPicture(StableDiffusionPlan plan, StartingPicture picture, PictureCodec codec, INoise noise, int batch)
    {
        Sampler sampler = plan.Sampler;
        long[] shape = plan.LatentShape(codec, batch);
        Tensor pixels = picture.Pixels(plan.Device), mask = picture.Mask(plan.Device), latentMask = InpaintMask.ToLatent(mask, codec.Downscale);
        bool blends = !plan.Model.Inpaints, fromNoise = plan.Strength == 1;
        Tensor? clean = blends || !fromNoise ? codec.Encode(pixels, noise, batch) : null;
        Tensor drawn = noise.Draw(shape);
        Tensor state = fromNoise ? drawn * sampler.InitialNoiseSigma : sampler.AddNoise(clean!, drawn, plan.FirstCall);
        if (blends)
        {
            codec.DrawForEncoding(noise, shape);
            return new RunStart(state) { AfterCall = (after, next) => Blend(sampler, after, next, clean!, drawn, latentMask) };
        }
        Tensor around = codec.Encode(InpaintMask.Hide(pixels, mask), noise, batch);
        return new RunStart(state) { Channels = cat([latentMask.expand(batch, -1, -1, -1), around], 1) };
    }

    // What is kept, with as much noise as the state has.
    private static Tensor Blend(Sampler sampler, Tensor state, int next, Tensor clean, Tensor drawn, Tensor mask)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor kept = next < sampler.Timesteps.Count ? sampler.AddNoise(clean, drawn, next) : clean;
        return (kept * (1 - mask) + state * mask).MoveToOuterDisposeScope();
    }
}
