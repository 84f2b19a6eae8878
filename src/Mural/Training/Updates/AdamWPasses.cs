using Mural.Kernels;

namespace Mural.Training;

/// <summary>What an update reads and, but for the gradient, changes.</summary>
internal readonly unsafe struct AdamWArrays(float* weights, float* gradient, float* first, float* second)
{
    internal readonly float* Weights = weights, Gradient = gradient, First = first, Second = second;

    internal AdamWArrays From(long start) => new(Weights + start, Gradient + start, First + start, Second + start);
}

/// <summary>The loop of AdamW.</summary>
internal abstract class AdamWPasses : IVectorized<AdamWPasses>
{
    public static AdamWPasses Over<T, V>() where T : ILanes<V> where V : unmanaged => new AdamWPasses<T, V>();

    /// <summary>Updates the first <paramref name="count"/> numbers.</summary>
    internal abstract void Run(AdamWArrays arrays, int count, AdamWFactors factors);
}

/// <summary>The loop at one vector width.</summary>
internal sealed unsafe class AdamWPasses<T, V> : AdamWPasses
    where T : ILanes<V>
    where V : unmanaged
{
    internal override void Run(AdamWArrays arrays, int count, AdamWFactors factors)
    {
        int whole = count - count % T.Count;
        Update(arrays, 0, whole, factors);
        // What fills no vector any more goes lane by lane.
        AdamWPasses<LanesScalar, float>.Update(arrays, whole, count, factors);
    }

    private static void Update(in AdamWArrays arrays, int from, int to, in AdamWFactors factors)
    {
        float* weights = arrays.Weights, gradient = arrays.Gradient, firsts = arrays.First, seconds = arrays.Second;
        V keep = T.Create((float)factors.Keep), rest1 = T.Create((float)(1 - factors.Beta1));
        V beta2 = T.Create((float)factors.Beta2), rest2 = T.Create((float)(1 - factors.Beta2));
        V stepSize = T.Create((float)factors.StepSize), scale = T.Create((float)factors.SecondScale), eps = T.Create((float)factors.Eps);
        for (int i = from; i < to; i += T.Count)
        {
            V slope = T.Load(gradient + i), first = T.Load(firsts + i), second = T.Load(seconds + i);
            first = T.Add(first, T.Multiply(T.Subtract(slope, first), rest1));
            second = T.Add(T.Multiply(second, beta2), T.Multiply(T.Multiply(slope, slope), rest2));
            T.Store(first, firsts + i);
            T.Store(second, seconds + i);
            V denominator = T.Add(T.Multiply(T.SquareRoot(second), scale), eps);
            V step = T.Divide(T.Multiply(first, stepSize), denominator);
            T.Store(T.Subtract(T.Multiply(T.Load(weights + i), keep), step), weights + i);
        }
    }
}
