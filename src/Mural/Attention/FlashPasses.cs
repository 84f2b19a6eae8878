using System.Runtime.CompilerServices;
using Mural.Kernels;

namespace Mural.Attention;

/// <summary>The loops of <see cref="FlashAttention"/>.</summary>
internal abstract class FlashPasses : IVectorized<FlashPasses>
{
    public static FlashPasses Over<T, V>() where T : ILanes<V> where V : unmanaged => new FlashPasses<VectorFormat<T, V>, T, V>();

    /// <summary>Numbers in a 32-bit word of what is multiplied.</summary>
    internal abstract int PerWord { get; }

    /// <summary>Attention of one block of queries.</summary>
    internal abstract void Forward(FlashProblem problem, in FlashBlock block, in FlashScratch scratch);
}

/// <summary>
/// The loops for one format at one vector width. Queries are columns throughout: scores are K Qᵀ, which reads keys where they lie; each query has a lane of its own in the
/// softmax; and the output is Vᵀ Wᵀ, whose rows, the channels of a head, need no filling up to whole vectors.
/// </summary>
internal sealed unsafe class FlashPasses<F, T, V> : FlashPasses
    where F : IFlashFormat
    where T : ILanes<V>
    where V : unmanaged
{
    private const int Columns = FlashProblem.QueryBlock;

    // A block whose weights sum up to more is weighed again with exponents measured from its own largest score. Far from overflow, and rare.
    private const float MostWeight = 1 << 20;

    internal override int PerWord => F.PerWord;

    // Optimised at once, as what it calls: it would otherwise run slowly through a program's first steps.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal override void Forward(FlashProblem problem, in FlashBlock block, in FlashScratch scratch)
    {
        int width = (block.Queries + F.ColumnStep - 1) / F.ColumnStep * F.ColumnStep, size = problem.Size;
        long keyStride = problem.KeyStride * F.PerWord / sizeof(uint);
        PackQueries(problem, block, scratch, width);
        for (int start = 0; start < problem.Keys; start += problem.KeyBlock)
        {
            int keys = Math.Min(problem.KeyBlock, problem.Keys - start), filled = (keys + F.PerWord - 1) / F.PerWord * F.PerWord;
            F.Multiply(keys, width, problem.ScoreSize, block.Key + start * problem.KeyStride, keyStride, scratch.Queries, scratch.Scores, add: false);
            for (int column = 0; column < width; column += T.Count) Weigh(scratch, column, keys, problem.Scale, size, first: start == 0);
            F.Multiply(size, width, filled, problem.ValuesAt(block.Context, start), filled, F.KeepsScores ? scratch.Weights : scratch.Scores, scratch.Output, add: start > 0);
        }
        F.Finish();
        Write(problem, block, scratch);
    }

    private static void PackQueries(FlashProblem problem, in FlashBlock block, in FlashScratch scratch, int width)
    {
        int words = problem.ScoreSize / F.PerWord;
        if (block.Queries < width) new Span<uint>(scratch.Queries, words * Columns).Clear();
        Transposition.Words<T, V>(block.Query, problem.QueryStride, block.Queries, words, scratch.Queries, Columns);
    }

    // Scores of one vector of queries become weights, and what was summed before is measured from the same exponent.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Weigh(in FlashScratch scratch, int column, int keys, float scale, int size, bool first)
    {
        float* scores = scratch.Scores + column, weights = scratch.Weights + column, sums = scratch.Sums + column, mosts = scratch.Most + column;
        if (first)
        {
            V largest = Largest(scores, keys, scale);
            T.Store(largest, mosts);
            T.Store(F.Weigh<T, V>(scores, keys, scale, largest, weights), sums);
            return;
        }

        V most = T.Load(mosts), sum = T.Load(sums);
        if (F.KeepsScores)
        {
            V added = F.Weigh<T, V>(scores, keys, scale, most, weights);
            if (!T.AnyGreater(added, T.Create(MostWeight)))
            {
                T.Store(T.Add(sum, added), sums);
                return;
            }
        }
        V next = T.Max(most, Largest(scores, keys, scale));
        if (T.AnyGreater(next, most))
        {
            sum = T.Multiply(sum, Shrink(T.Subtract(most, next), scratch.Output + column, size));
            T.Store(next, mosts);
        }
        T.Store(T.Add(sum, F.Weigh<T, V>(scores, keys, scale, next, weights)), sums);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static V Largest(float* scores, int keys, float scale)
    {
        V largest = T.Load(scores), other = largest;
        int key = 1;
        for (; key + 2 <= keys; key += 2)
        {
            largest = T.Max(largest, T.Load(scores + key * Columns));
            other = T.Max(other, T.Load(scores + (key + 1) * Columns));
        }
        if (key < keys) largest = T.Max(largest, T.Load(scores + key * Columns));
        return T.Multiply(T.Max(largest, other), T.Create(scale));
    }

    private static V Shrink(V exponent, float* output, int size)
    {
        V factor = LaneMath.Exp2OfNegative<T, V>(exponent);
        for (int channel = 0; channel < size; channel++, output += Columns) T.Store(T.Multiply(T.Load(output), factor), output);
        return factor;
    }

    private static void Write(FlashProblem problem, in FlashBlock block, in FlashScratch scratch)
    {
        for (int query = 0; query < block.Queries; query++) scratch.Sums[query] = 1 / scratch.Sums[query];
        if (problem.RoundsOutput)
            Transposition.Scaled<T, V, BFloat16Element>(scratch.Output, Columns, problem.Size, block.Queries, scratch.Sums, block.Output, problem.OutputStride);
        else Transposition.Scaled<T, V, Float32Element>(scratch.Output, Columns, problem.Size, block.Queries, scratch.Sums, block.Output, problem.OutputStride);
    }
}
