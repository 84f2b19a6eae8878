namespace Mural.Training.Data;

/// <summary>
/// The order in which a run sees its pictures: all of them once in every epoch, shuffled anew each time. It is a function of the seed and the
/// sample's number alone, so that a resumed run needs to know nothing but how many samples it has seen.
/// </summary>
internal sealed class SampleOrder
{
    private readonly int[] _rows;
    private readonly int[] _shuffled;
    private readonly long _seed;
    private long _epoch = -1;

    /// <param name="rows">The rows of the data set that are trained on.</param>
    /// <param name="seed">The run's seed.</param>
    internal SampleOrder(IReadOnlyList<int> rows, long seed)
    {
        _rows = [.. rows];
        _shuffled = new int[_rows.Length];
        _seed = seed;
    }

    internal int Count => _rows.Length;

    /// <summary>The rows of the samples <paramref name="first"/>, <paramref name="first"/> + 1, ...</summary>
    internal int[] Take(long first, int count)
    {
        int[] taken = new int[count];
        for (int i = 0; i < count; i++)
        {
            long epoch = Math.DivRem(first + i, _rows.Length, out long position);
            if (epoch != _epoch) Shuffle(epoch);
            taken[i] = _shuffled[position];
        }
        return taken;
    }

    private void Shuffle(long epoch)
    {
        _rows.CopyTo(_shuffled, 0);
        var random = new SplitMix(SplitMix.Combine(_seed, epoch));
        random.Shuffle(_shuffled.AsSpan());
        _epoch = epoch;
    }
}
