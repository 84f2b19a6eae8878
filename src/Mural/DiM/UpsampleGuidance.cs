using Mural.Samplers;
using static TorchSharp.torch;

namespace Mural.DiM;

/// <summary>
/// Training-free upsampling (Hwang et al., arXiv 2404.01709; DiM specification 6.2). A picture m times too large for its model is led, while it is
/// still mostly noise, by what the model predicts for the same picture at the size it knows:
/// e + w · enlarge(e_low / m − pool(e)), where e_low is the prediction for pool(x)/√P at the time whose noise level pooling leaves.
/// </summary>
public sealed class UpsampleGuidance
{
    private readonly DiscreteNoiseSchedule _schedule;
    private readonly UpsampleGuidanceOptions _options;
    private readonly double[] _signalToNoise;

    /// <summary>Prepares the guidance for a network trained with <paramref name="schedule"/>.</summary>
    /// <exception cref="MuralException">The factor is below 1.</exception>
    public UpsampleGuidance(DiscreteNoiseSchedule schedule, UpsampleGuidanceOptions options)
    {
        ArgumentNullException.ThrowIfNull(schedule);
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        _schedule = schedule;
        _options = options;
        // Entry i belongs to step N − 1 − i. The official grid holds these steps as float32 times; its index comes out the same.
        _signalToNoise = [.. Enumerable.Range(0, schedule.Steps).Select(i => schedule.SignalToNoise(schedule.Steps - 1 - i))];
    }

    /// <summary>Guides one prediction at the large size by one at the small size.</summary>
    /// <param name="full">The network at the large size, with its classifier-free guidance.</param>
    /// <param name="low">The network at the small size, likewise; called only while the guidance has weight.</param>
    /// <returns>A denoiser for <c>[B, C, H, W]</c> with H and W multiples of the factor.</returns>
    public Denoiser Wrap(Denoiser full, Denoiser low) => (x, time) =>
    {
        using var scope = NewDisposeScope();
        Tensor predicted = full(x, time);
        double weight = Weight(time);
        if (!(weight > 0)) return predicted.MoveToOuterDisposeScope();
        Tensor small = low(LowInput(x, time), LowTime(time));
        Tensor correction = small / _options.Factor - Pool(predicted);
        return predicted.add(Enlarge(correction), alpha: weight).MoveToOuterDisposeScope();
    };

    /// <summary>⌊N t⌋, the step that a solver time counts as. In double every whole step is met; exact float32 would miss five of its grid by one.</summary>
    internal int StepIndex(double time) => Math.Clamp((int)Math.Floor(time * _schedule.Steps), 0, _schedule.Steps);

    /// <summary>w: θ while t ≥ (1 − η) T, then 0.</summary>
    internal double Weight(double time) => time >= (1 - _options.Share) * _options.TotalTime ? _options.Strength : 0;

    /// <summary>P = ᾱ + (1 − ᾱ)/m², the variance of a pooled state.</summary>
    internal double Variance(double time)
    {
        double alphaBar = _schedule.AlphaBar(StepIndex(time));
        return alphaBar + (1 - alphaBar) / (_options.Factor * _options.Factor);
    }

    /// <summary>The grid entry whose signal-to-noise ratio is nearest to m² times that of <paramref name="time"/>; pooling raises it so.</summary>
    internal int MatchedEntry(double time)
    {
        double wanted = _options.Factor * _options.Factor * _schedule.SignalToNoise(StepIndex(time));
        // The last entry is free of noise: its ratio is infinite and never the nearest, except to infinity itself, from which it has no distance that could be subtracted.
        if (double.IsPositiveInfinity(wanted)) return _signalToNoise.Length - 1;
        int nearest = 0;
        for (int i = 1; i < _signalToNoise.Length; i++)
            if (Math.Abs(wanted - _signalToNoise[i]) < Math.Abs(wanted - _signalToNoise[nearest])) nearest = i;
        return nearest;
    }

    /// <summary>τ = min(1 − i/(N − 1), t), the solver time of the small prediction. The official code counts grid entries in N and τ in N − 1.</summary>
    internal double LowTime(double time) => Math.Min(1 - MatchedEntry(time) / (_schedule.Steps - 1.0), time);

    /// <summary>The state that the small prediction is made for, <c>[B, C, H/m, W/m]</c>.</summary>
    internal Tensor LowInput(Tensor x, double time)
    {
        using var scope = NewDisposeScope();
        return Pool(x).div(Math.Sqrt(Variance(time))).MoveToOuterDisposeScope();
    }

    private Tensor Pool(Tensor x)
    {
        int factor = _options.Factor;
        if (x.shape[^2] % factor != 0 || x.shape[^1] % factor != 0)
            throw new MuralException($"The latent of {x.shape[^1]}x{x.shape[^2]} cannot be upsampled {factor} times: both sides must be multiples of {factor}.");
        return nn.functional.avg_pool2d(x, factor);
    }

    private Tensor Enlarge(Tensor x) => nn.functional.interpolate(x, scale_factor: [_options.Factor, _options.Factor], mode: InterpolationMode.Nearest);
}
