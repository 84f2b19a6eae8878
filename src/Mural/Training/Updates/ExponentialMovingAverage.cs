using Mural.Checkpoints;
using static TorchSharp.torch;

namespace Mural.Training;

/// <summary>Settings of the weights' moving average.</summary>
public sealed record EmaConfig
{
    /// <summary>Share of the average that stays at every step, in [0, 1).</summary>
    public double Decay { get; init; } = 0.9999;

    /// <summary>Lets the average follow faster at first, decay (1 + step) / (10 + step), so that a short run has one. The released training has none.</summary>
    public bool Warmup { get; init; }

    /// <summary>The decay at a step, counted from 0.</summary>
    public double At(long step) => Warmup ? Math.Min(Decay, (1.0 + step) / (10.0 + step)) : Decay;

    internal void Check() => Settings.InRange("ema.decay", Decay, 0, 0.9999999);
}

/// <summary>Keeps a second module's weights at the moving average of a first one's.</summary>
internal sealed class ExponentialMovingAverage
{
    private readonly EmaConfig _config;
    private readonly (Tensor Source, Tensor Average)[] _pairs;

    /// <summary>Pairs the two modules' tensors by name; the average keeps its weights until <see cref="Reset"/> or <see cref="Update"/>.</summary>
    public ExponentialMovingAverage(nn.Module source, nn.Module average, EmaConfig config)
    {
        _config = config;
        Dictionary<string, Tensor> averages = ModuleWeights.Places(average);
        _pairs = [.. ModuleWeights.Places(source).Select(entry => (entry.Value, averages[entry.Key]))];
    }

    /// <summary>Sets the average to the source's weights.</summary>
    public void Reset()
    {
        using var quiet = no_grad();
        foreach ((Tensor source, Tensor average) in _pairs) average.copy_(source);
    }

    /// <summary>Takes the weights after an update into the average.</summary>
    /// <param name="step">Updates made before this one.</param>
    public void Update(long step)
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        Tensor rest = tensor(1 - _config.At(step), float32, _pairs[0].Average.device);
        foreach ((Tensor source, Tensor average) in _pairs) average.lerp_(source, rest);
    }
}
