using static TorchSharp.torch;

namespace Mural.Samplers;

/// <summary>The evaluations of one run: counts them, reports them, and stops between them when asked to.</summary>
internal sealed class DenoiserCalls(Denoiser denoiser, NoiseSchedule schedule, int? count, Action<SamplerStep>? onStep, CancellationToken cancellationToken)
{
    private int _done;

    /// <summary>The predicted noise in <paramref name="x"/>.</summary>
    /// <exception cref="OperationCanceledException">The run was cancelled.</exception>
    internal Tensor Noise(Tensor x, double time)
    {
        using var scope = NewDisposeScope();
        Tensor noise = Evaluate(x, time);
        if (onStep is not null) Report(x, time, DataFrom(x, noise, time));
        return noise.MoveToOuterDisposeScope();
    }

    /// <summary>The data that the predicted noise implies, (x − σ ε) / α, after <paramref name="threshold"/> where given.</summary>
    /// <exception cref="OperationCanceledException">The run was cancelled.</exception>
    internal Tensor Data(Tensor x, double time, DynamicThreshold? threshold)
    {
        using var scope = NewDisposeScope();
        Tensor data = DataFrom(x, Evaluate(x, time), time);
        if (threshold is not null) data = threshold.Apply(data);
        Report(x, time, data);
        return data.MoveToOuterDisposeScope();
    }

    private Tensor Evaluate(Tensor x, double time)
    {
        cancellationToken.ThrowIfCancellationRequested();
        Tensor noise = denoiser(x, time).to(x.dtype);
        _done++;
        return noise;
    }

    private Tensor DataFrom(Tensor x, Tensor noise, double time) => x.add(noise, alpha: -schedule.Sigma(time)).div(schedule.Alpha(time));

    private void Report(Tensor x, double time, Tensor estimate) => onStep?.Invoke(new SamplerStep(_done, count, time, x, estimate));
}
