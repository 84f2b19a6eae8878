namespace Mural.Training.Data;

/// <summary>SplitMix64: a small generator for orders and seeds, the same on every platform and .NET version.</summary>
internal struct SplitMix(ulong seed)
{
    private ulong _state = seed;

    internal ulong Next()
    {
        ulong z = _state += 0x9E3779B97F4A7C15;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }

    /// <summary>A number in [0, <paramref name="bound"/>): the high half of a 64 x 64 bit product.</summary>
    internal int Below(int bound) => (int)Math.BigMul(Next(), (ulong)bound, out _);

    /// <summary>A number from [0, 1), of 53 bits.</summary>
    internal double Uniform() => (Next() >> 11) * (1.0 / (1UL << 53));

    /// <summary>Puts values in another order, each as likely as any other (Fisher and Yates).</summary>
    internal void Shuffle<T>(Span<T> values)
    {
        for (int i = values.Length - 1; i > 0; i--)
        {
            int other = Below(i + 1);
            (values[i], values[other]) = (values[other], values[i]);
        }
    }

    /// <summary>One seed out of two numbers, for example a run's seed and a step.</summary>
    internal static ulong Combine(long seed, long index)
    {
        ulong first = new SplitMix((ulong)seed).Next();
        return new SplitMix(first ^ ((ulong)index * 0xD1342543DE82EF95)).Next();
    }
}
