using static TorchSharp.torch;

namespace Mural.Samplers;

/// <summary>Settings of the Euler-Maruyama sampler; the defaults are those of pixel DiM's evaluation.</summary>
public sealed record EulerMaruyamaOptions
{
    /// <summary>Network evaluations, at least 2.</summary>
    public int Steps { get; init; } = 1000;

    /// <summary>Solver time of the last evaluation, above 0 and below 1; from there one step goes to 0.</summary>
    public double EndTime { get; init; } = 1e-3;
}

/// <summary>
/// Euler-Maruyama on the reverse of a variance-preserving SDE, and Euler on its probability-flow ODE (Song et al., arXiv 2011.13456; DiM
/// specification 4.2). Times run evenly from 1 to the end time and then to 0.
/// </summary>
public static class EulerMaruyama
{
    /// <summary>Takes <paramref name="x"/> from time 1 to 0 along the reverse SDE; every step but the last adds noise.</summary>
    /// <param name="denoiser">Predicts the noise.</param>
    /// <param name="x">The state at time 1, <c>[B, C, H, W]</c>, float32; stays as it is.</param>
    /// <param name="schedule">The forward process that the network was trained with.</param>
    /// <param name="options">Steps and end time.</param>
    /// <param name="noise">Draws standard normal noise of the shape and type of the given tensor, once a step.</param>
    /// <param name="onStep">Called after each network evaluation.</param>
    /// <param name="cancellationToken">Stops the run before the next evaluation.</param>
    /// <returns>The state at time 0, of the shape and type of <paramref name="x"/>.</returns>
    /// <exception cref="MuralException">The options make no sense.</exception>
    /// <exception cref="OperationCanceledException">The run was cancelled.</exception>
    public static Tensor SampleSde(
        Denoiser denoiser,
        Tensor x,
        LinearNoiseSchedule schedule,
        EulerMaruyamaOptions options,
        Func<Tensor, Tensor> noise,
        Action<SamplerStep>? onStep = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(noise);
        return Sample(denoiser, x, schedule, options, scoreShare: 1, noise, onStep, cancellationToken);
    }

    /// <summary>Takes <paramref name="x"/> from time 1 to 0 along the probability-flow ODE: half the score, no noise.</summary>
    /// <inheritdoc cref="SampleSde"/>
    public static Tensor SampleOde(
        Denoiser denoiser,
        Tensor x,
        LinearNoiseSchedule schedule,
        EulerMaruyamaOptions options,
        Action<SamplerStep>? onStep = null,
        CancellationToken cancellationToken = default) =>
        Sample(denoiser, x, schedule, options, scoreShare: 0.5, null, onStep, cancellationToken);

    private static Tensor Sample(
        Denoiser denoiser,
        Tensor x,
        LinearNoiseSchedule schedule,
        EulerMaruyamaOptions options,
        double scoreShare,
        Func<Tensor, Tensor>? noise,
        Action<SamplerStep>? onStep,
        CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(options);
        if (options.Steps < 2) throw new MuralException($"{options.Steps} sampling steps are too few: Euler-Maruyama needs at least 2.");
        if (!(options.EndTime > 0 && options.EndTime < 1)) throw new MuralException($"The end time is {options.EndTime}, but must lie between 0 and 1.");
        using var noGradients = no_grad();
        using var scope = NewDisposeScope();
        double[] times = [.. TimeGrid.Create(TimeSpacing.Time, schedule, 1, options.EndTime, options.Steps - 1), 0];
        var calls = new DenoiserCalls(denoiser, schedule, options.Steps, onStep, cancellationToken);
        Tensor state = x.alias();
        for (int step = 0; step < options.Steps; step++)
        {
            using var stepScope = NewDisposeScope();
            double time = times[step], interval = times[step + 1] - time, beta = schedule.Beta(time);
            // drift = f − share · g² · score, with f = −½ β x, g² = β and score = −ε/σ.
            Tensor predicted = calls.Noise(state, time);
            Tensor next = state.mul(1 - 0.5 * beta * interval).add_(predicted, alpha: scoreShare * beta / schedule.Sigma(time) * interval);
            if (noise is not null && times[step + 1] > 0) next.add_(noise(next), alpha: Math.Sqrt(-beta * interval));
            state.Dispose();
            state = next.MoveToOuterDisposeScope();
        }
        return state.MoveToOuterDisposeScope();
    }
}
