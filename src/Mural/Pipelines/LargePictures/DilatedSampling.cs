using Mural.Samplers;
using TorchSharp;
using static TorchSharp.torch;

namespace Mural.Pipelines;

/// <summary>
/// The last steps of a run on an enlarged picture, each taken twice: with the network as it is and with dilated convolutions, on a blurred state, and mixed (LinFusion
/// specification 5.2). Unlike the official code, both calls see the state scaled for their own noise level.
/// </summary>
/// <param name="sampler">A sampler that steps from one state alone.</param>
/// <param name="denoiser">The network with everything around it.</param>
/// <param name="dilated">The same with dilated convolutions.</param>
/// <param name="settings">How they are mixed.</param>
/// <param name="ratio">How many times larger the picture is than the network's own: the dilation.</param>
internal sealed class DilatedSampling(Sampler sampler, LatentDenoiser denoiser, LatentDenoiser dilated, DilationSettings settings, int ratio)
{
    /// <summary>Sees the state after each step.</summary>
    internal Action<Tensor>? OnState { get; init; }

    /// <summary>Sees the guided answers of both networks at each step.</summary>
    internal Action<Tensor, Tensor>? OnAnswers { get; init; }

    /// <summary>The latent after the last step.</summary>
    /// <param name="clean">The enlarged picture's latent. Shape: `[B, C, h, w]`.</param>
    /// <param name="noise">Standard normal, one for all steps. Shape: that of <paramref name="clean"/>.</param>
    /// <param name="first">The first of the sampler's calls.</param>
    /// <param name="draw">Draws noise where the sampler needs more.</param>
    /// <param name="onStep">Called after each step.</param>
    /// <param name="cancellation">Stops between steps.</param>
    internal Tensor Run(Tensor clean, Tensor noise, int first, Func<Tensor, Tensor> draw, Action<SamplerStep>? onStep, CancellationToken cancellation)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor x = sampler.AddNoise(clean, noise, first);
        int count = sampler.Timesteps.Count;
        for (int call = first; call < count; call++)
        {
            cancellation.ThrowIfCancellationRequested();
            using DisposeScope step = NewDisposeScope();
            Tensor next = Step(x, clean, noise, call, first, draw, onStep);
            OnState?.Invoke(next);
            x.Dispose();
            x = next.MoveToOuterDisposeScope();
        }
        return x.MoveToOuterDisposeScope();
    }

    private Tensor Step(Tensor x, Tensor clean, Tensor noise, int call, int first, Func<Tensor, Tensor> draw, Action<SamplerStep>? onStep)
    {
        using DisposeScope scope = NewDisposeScope();
        int index = call - first, count = sampler.Timesteps.Count - first;
        double cosine = DilationSettings.Cosine(sampler.TrainingStep(call), sampler.Table.Steps);
        double skip = Math.Pow(cosine, settings.SkipExponent), share = Math.Pow(cosine, settings.DilatedExponent);
        double sigma = settings.BlurSigma * (0.99 * Math.Pow(cosine, settings.BlurExponent) + 0.01);
        Tensor state = Combination.Of((1 - skip, x), (skip, sampler.AddNoise(clean, noise, call)));

        var seen = new DenoiserCall(index, count, sampler.Timesteps[call]);
        Tensor? ordinary = null;
        Tensor Ordinary(Tensor input, DenoiserCall _)
        {
            Tensor answer = denoiser(input, seen);
            if (OnAnswers is not null) ordinary = answer.clone().DetachFromDisposeScope();
            return answer;
        }
        // Both networks' steps add the same noise: a mixture of two independent ones would have less of it than the next step expects.
        var drawn = new Queue<Tensor>();
        Tensor Drawn(Tensor like)
        {
            Tensor fresh = draw(like);
            drawn.Enqueue(fresh.alias().MoveToOtherDisposeScope(scope));
            return fresh;
        }
        Tensor plain = sampler.Sample(Ordinary, state, Drawn, call..(call + 1), onStep: done => onStep?.Invoke(done with { Index = index + 1, Count = count }));

        Tensor blurred = ChannelStatistics.Of(state).GiveTo(LatentBlur.Apply(state, 2 * ratio - 1, sigma));
        Tensor wide = dilated(sampler.ScaleInput(blurred, call), seen);
        if (ordinary is not null)
        {
            OnAnswers!(ordinary, wide);
            ordinary.Dispose();
        }
        Tensor spread = sampler.Sample((_, _) => wide.alias(), state, _ => drawn.Dequeue().alias(), call..(call + 1));
        return Combination.Of((1 - share, plain), (share, spread)).MoveToOuterDisposeScope();
    }
}
