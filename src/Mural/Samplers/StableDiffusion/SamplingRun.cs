using static TorchSharp.torch;

namespace Mural.Samplers;

/// <summary>What the loops of all samplers share: the network's answers, noise, progress, and who owns which tensor.</summary>
internal sealed class SamplingRun(Sampler sampler, LatentDenoiser denoiser, Func<Tensor, Tensor> noise)
{
    internal required int First { get; init; }

    /// <summary>The call that is not made any more.</summary>
    internal required int End { get; init; }

    internal required Func<Tensor, int, Tensor>? AfterCall { get; init; }

    internal required Action<SamplerStep>? OnStep { get; init; }

    internal required CancellationToken CancellationToken { get; init; }

    internal SamplerOptions Options => sampler.Options;

    internal NoiseTable Table => sampler.Table;

    /// <summary>The calls of the whole schedule, of which <see cref="First"/> to <see cref="End"/> are made.</summary>
    internal int Count => sampler.Timesteps.Count;

    /// <summary>How many noise levels the whole schedule steps over.</summary>
    internal int Intervals => sampler.Sigmas.Count - 1;

    /// <summary>The timestep of a call.</summary>
    internal double Timestep(int call) => sampler.Timesteps[call];

    /// <summary>σ of the state that a call sees; at <see cref="Count"/>, that of the result.</summary>
    internal double Sigma(int call) => sampler.Sigmas[call];

    /// <summary>What the network predicts of the state.</summary>
    /// <exception cref="OperationCanceledException">The run was cancelled.</exception>
    internal Tensor Answer(Tensor x, int call)
    {
        CancellationToken.ThrowIfCancellationRequested();
        using var scope = NewDisposeScope();
        Tensor answer = denoiser(sampler.ScaleInput(x, call), new DenoiserCall(call - First, End - First, Timestep(call)));
        return answer.to(x.dtype).MoveToOuterDisposeScope();
    }

    /// <summary>The clean latent that the network sees in a state of exploding variance.</summary>
    internal Tensor DataExploding(Tensor x, int call) => Prediction.DataExploding(Options.PredictionType, Answer(x, call), x, Sigma(call));

    internal Tensor Noise(Tensor like) => noise(like).to(like.dtype);

    /// <summary>Reports a call that is done, and gives the new state to whoever wants to change it.</summary>
    /// <param name="call">The call.</param>
    /// <param name="before">The state that it saw.</param>
    /// <param name="data">The clean latent that its answer implies.</param>
    /// <param name="after">The state that follows.</param>
    internal Tensor Finish(int call, Tensor before, Tensor data, Tensor after)
    {
        double time = (sampler.TrainingStep(call) + 1) / Table.Steps;
        OnStep?.Invoke(new SamplerStep(call - First + 1, End - First, time, before, data));
        return AfterCall is null ? after : AfterCall(after, call + 1);
    }

    /// <summary>Lets go of the state that a step used, and carries the new one out of the step's dispose scope.</summary>
    internal static Tensor Carry(Tensor used, Tensor next)
    {
        next = next.alias();
        used.Dispose();
        return next.MoveToOuterDisposeScope();
    }

    /// <summary><see cref="Finish"/> and <see cref="Carry"/>, for steps of one call.</summary>
    internal Tensor Advance(int call, Tensor before, Tensor data, Tensor after) => Carry(before, Finish(call, before, data, after));
}
