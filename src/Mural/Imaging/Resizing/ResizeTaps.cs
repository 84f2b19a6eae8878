namespace Mural.Imaging;

/// <summary>Which pixels of one axis make each pixel of the result, and with what weights; by Pillow's rule, so that results agree to the bit.</summary>
internal sealed class ResizeTaps
{
    /// <summary>Fractional bits of the integer weights: a byte times a weight, summed, stays within 32 bits.</summary>
    internal const int FractionBits = 22;

    private readonly int[] _starts;
    private readonly double[][] _weights;

    private ResizeTaps(int[] starts, double[][] weights)
    {
        _starts = starts;
        _weights = weights;
    }

    internal int Count => _starts.Length;

    /// <summary>First source pixel of result <paramref name="index"/>.</summary>
    internal int Start(int index) => _starts[index];

    /// <summary>Weights of the pixels from <see cref="Start"/> on; their sum is 1.</summary>
    internal ReadOnlySpan<double> Weights(int index) => _weights[index];

    /// <summary>The source pixels that some results need, from the first to behind the last.</summary>
    internal (int First, int End) Sources(int index, int count)
    {
        int[] results = [.. Enumerable.Range(index, count)];
        return (results.Min(i => _starts[i]), results.Max(i => _starts[i] + _weights[i].Length));
    }

    /// <summary>The taps of some results, in a source that begins at pixel <paramref name="origin"/> of this one's.</summary>
    internal ResizeTaps Part(int index, int count, int origin) =>
        new([.. _starts.AsSpan(index, count).ToArray().Select(start => start - origin)], _weights[index..(index + count)]);

    /// <summary>The weights rounded to <see cref="FractionBits"/>, half away from zero.</summary>
    internal int[][] ToIntegers() =>
    [
        .. _weights.Select(weights => weights.Select(weight => (int)Math.Round(weight * (1 << FractionBits), MidpointRounding.AwayFromZero)).ToArray())
    ];

    /// <summary>Weights from the part [<paramref name="from"/>, <paramref name="to"/>] of <paramref name="source"/> pixels to <paramref name="target"/> pixels.</summary>
    internal static ResizeTaps Make(ResizeFilter filter, int source, float from, float to, int target)
    {
        double scale = (double)(to - from) / target, widening = Math.Max(scale, 1), support = ResizeKernel.Support(filter) * widening;
        int[] starts = new int[target];
        double[][] weights = new double[target][];
        for (int i = 0; i < target; i++)
        {
            double centre = from + (i + 0.5) * scale;
            int start = Math.Max((int)(centre - support + 0.5), 0), end = Math.Min((int)(centre + support + 0.5), source);
            starts[i] = start;
            weights[i] = Normalized(filter, centre - start, 1 / widening, Math.Max(end - start, 0));
        }
        return new ResizeTaps(starts, weights);
    }

    private static double[] Normalized(ResizeFilter filter, double centre, double step, int count)
    {
        double[] weights = new double[count];
        double sum = 0;
        for (int tap = 0; tap < count; tap++) sum += weights[tap] = ResizeKernel.Weight(filter, (tap - centre + 0.5) * step);
        if (sum != 0)
            for (int tap = 0; tap < count; tap++) weights[tap] /= sum;
        return weights;
    }
}
