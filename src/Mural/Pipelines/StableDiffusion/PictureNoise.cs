using Mural.HiDiffusion;
using Mural.Runtime;
using TorchSharp;
using static TorchSharp.torch;

namespace Mural.Pipelines;

/// <summary>The random numbers of one batch.</summary>
internal interface INoise
{
    /// <summary>Standard normal numbers, float32. Shape: <c>[B, ...]</c>.</summary>
    Tensor Draw(long[] shape);

    /// <summary>Where windows begin, which draws from sources of its own.</summary>
    IWindowShifts Shifts { get; }
}

/// <summary>Each picture of a batch draws from a source of its own, so that a batch changes nothing about its pictures.</summary>
internal sealed class PictureNoise : INoise, IDisposable
{
    private readonly RandomSource[] _sources;
    private readonly WindowShifts _shifts;
    private readonly Device _device;

    internal PictureNoise(NoiseOrigin origin, IEnumerable<long> seeds, Device device)
    {
        _sources = [.. seeds.Select(seed => origin == NoiseOrigin.Cuda ? (RandomSource)new PhiloxRandom(seed) : new SeededRandom(seed))];
        _shifts = new WindowShifts(_sources.Select(source => source.Seed));
        _device = device;
    }

    public IWindowShifts Shifts => _shifts;

    public Tensor Draw(long[] shape)
    {
        using DisposeScope scope = NewDisposeScope();
        long[] one = [1, .. shape.AsSpan(1)];
        return cat([.. _sources.Select(source => source.Normal(one, device: _device))]).MoveToOuterDisposeScope();
    }

    public void Dispose()
    {
        foreach (RandomSource source in _sources) source.Dispose();
        _shifts.Dispose();
    }
}
