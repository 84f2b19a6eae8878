using TorchSharp;
using static TorchSharp.torch;

namespace Mural.Pipelines;

/// <summary>What a run of the sampler starts with.</summary>
/// <param name="State">The state at its first call. Shape: <c>[B, C, h, w]</c>.</param>
internal sealed record RunStart(Tensor State)
{
    /// <summary>What the network sees beside the latents, or null. Shape: <c>[B, C, h, w]</c>.</summary>
    internal Tensor? Channels { get; init; }

    /// <summary>What is done to the state after a call, given the next one, or null.</summary>
    internal Func<Tensor, int, Tensor>? AfterCall { get; init; }

    /// <summary>Pure noise.</summary>
    internal static RunStart FromNoise(StableDiffusionPlan plan, PictureCodec codec, INoise noise, int batch)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor drawn = noise.Draw(plan.LatentShape(codec, batch));
        return new RunStart((drawn * plan.Sampler.InitialNoiseSigma).MoveToOuterDisposeScope());
    }
}
