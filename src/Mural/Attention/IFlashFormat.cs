using Mural.Kernels;

namespace Mural.Attention;

/// <summary>
/// What <see cref="FlashPasses{F, T, V}"/> multiplies with: how columns lie in memory and who multiplies them. All matrices have <see cref="FlashProblem.QueryBlock"/> columns.
/// </summary>
internal unsafe interface IFlashFormat
{
    /// <summary>Numbers in a 32-bit word of a column.</summary>
    static abstract int PerWord { get; }

    /// <summary>What the number of columns is a multiple of.</summary>
    static abstract int ColumnStep { get; }

    /// <summary>Whether weights go elsewhere, so that scores can be weighed again.</summary>
    static abstract bool KeepsScores { get; }

    /// <summary>C = A B, or C += A B.</summary>
    /// <param name="m">Rows of A and C.</param>
    /// <param name="n">Columns of B and C.</param>
    /// <param name="k">Columns of A and rows of B, a multiple of <see cref="PerWord"/>.</param>
    /// <param name="a">`[m, k]`.</param>
    /// <param name="strideA">From one row of A to the next, in its numbers.</param>
    /// <param name="b">`[k / PerWord, n]` words.</param>
    /// <param name="c">`[m, n]`.</param>
    /// <param name="add">Adds to C instead of overwriting it.</param>
    static abstract void Multiply(int m, int n, int k, void* a, long strideA, void* b, float* c, bool add);

    /// <summary>Ends a piece of work of a thread.</summary>
    static abstract void Finish();

    /// <summary>Scores of one vector of queries become weights 2^(scale · score - most).</summary>
    /// <param name="scores">`[key, query]`, overwritten unless they are kept.</param>
    /// <param name="keys">Number of keys.</param>
    /// <param name="scale">Factor of the scores.</param>
    /// <param name="most">What the exponents are measured from; the largest may be above it by less than 127.</param>
    /// <param name="weights">`[pair of keys, query]`, where scores are kept.</param>
    /// <returns>The sum of the weights as they will be multiplied.</returns>
    static abstract V Weigh<T, V>(float* scores, int keys, float scale, V most, float* weights) where T : ILanes<V> where V : unmanaged;
}
