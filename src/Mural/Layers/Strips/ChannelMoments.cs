using TorchSharp;
using static TorchSharp.torch;

namespace Mural.Layers.Strips;

/// <summary>Mean and sum of squared distances of each channel of a map, joined from its rows in double precision (Chan's rule).</summary>
internal sealed class ChannelMoments
{
    private readonly double[] _means, _distances;

    internal ChannelMoments(int channels) : this(new double[channels], new double[channels], 0)
    {
    }

    private ChannelMoments(double[] means, double[] distances, double count)
    {
        (_means, _distances, Count) = (means, distances, count);
    }

    /// <summary>Positions seen so far.</summary>
    internal double Count { get; private set; }

    /// <summary>Adds rows of the map. Shape: `[1, C, h, W]`.</summary>
    internal void Add(Tensor rows)
    {
        using DisposeScope scope = NewDisposeScope();
        double count = rows.shape[2] * rows.shape[3], all = Count + count;
        Tensor wide = rows.dtype == ScalarType.Float64 ? rows : rows.to(ScalarType.Float32);
        (Tensor variance, Tensor mean) = var_mean(wide, [0, 2, 3], unbiased: false);
        double[] means = mean.to(ScalarType.Float64).cpu().data<double>().ToArray(), variances = variance.to(ScalarType.Float64).cpu().data<double>().ToArray();
        for (int channel = 0; channel < _means.Length; channel++)
        {
            double step = means[channel] - _means[channel];
            _distances[channel] += variances[channel] * count + step * step * Count * count / all;
            _means[channel] += step * count / all;
        }
        Count = all;
    }

    /// <summary>Those of two maps' channels side by side.</summary>
    internal static ChannelMoments Join(ChannelMoments first, ChannelMoments second) =>
        new([.. first._means, .. second._means], [.. first._distances, .. second._distances], first.Count);

    /// <summary>Mean and variance of every group of neighbouring channels.</summary>
    internal (double Mean, double Variance)[] Groups(long groups)
    {
        int size = _means.Length / (int)groups;
        return [.. Enumerable.Range(0, (int)groups).Select(group =>
        {
            Span<double> means = _means.AsSpan(group * size, size), distances = _distances.AsSpan(group * size, size);
            double sum = 0, squares = 0;
            foreach (double mean in means) sum += mean;
            double centre = sum / size;
            for (int i = 0; i < size; i++) squares += distances[i] + Count * (means[i] - centre) * (means[i] - centre);
            return (centre, squares / (Count * size));
        })];
    }
}
