using System.Runtime.CompilerServices;

namespace Mural.Kernels;

/// <summary>Products of small float32 matrices in plain vector arithmetic: six rows of the result by two vectors are kept in registers.</summary>
internal static unsafe class VectorProducts<T, V>
    where T : ILanes<V>
    where V : unmanaged
{
    private const int TileRows = 6;

    /// <summary>Columns of a tile: what <c>n</c> is a multiple of.</summary>
    internal static int TileColumns => 2 * T.Count;

    /// <summary>C = A B, or C += A B.</summary>
    /// <param name="m">Rows of A and C.</param>
    /// <param name="n">Columns of B and C, a multiple of <see cref="TileColumns"/>.</param>
    /// <param name="k">Columns of A and rows of B.</param>
    /// <param name="a">`[m, k]`.</param>
    /// <param name="strideA">From one row of A to the next.</param>
    /// <param name="b">`[k, n]`.</param>
    /// <param name="strideB">From one row of B to the next.</param>
    /// <param name="c">`[m, n]`.</param>
    /// <param name="strideC">From one row of C to the next.</param>
    /// <param name="add">Adds to C instead of overwriting it.</param>
    internal static void Multiply(int m, int n, int k, float* a, long strideA, float* b, long strideB, float* c, long strideC, bool add)
    {
        for (int column = 0; column < n; column += TileColumns)
            for (int row = 0; row < m; row += TileRows)
                Tile(Math.Min(TileRows, m - row), k, a + row * strideA, strideA, b + column, strideB, c + row * strideC + column, strideC, add);
    }

    // Rows that are missing are computed as another row and dropped: one loop serves all.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tile(int rows, int k, float* a, long strideA, float* b, long strideB, float* c, long strideC, bool add)
    {
        float* a1 = a + (rows > 1 ? strideA : 0), a2 = a + (rows > 2 ? 2 * strideA : 0), a3 = a + (rows > 3 ? 3 * strideA : 0);
        float* a4 = a + (rows > 4 ? 4 * strideA : 0), a5 = a + (rows > 5 ? 5 * strideA : 0);
        V zero = T.Create(0);
        V c00 = zero, c01 = zero, c10 = zero, c11 = zero, c20 = zero, c21 = zero, c30 = zero, c31 = zero, c40 = zero, c41 = zero, c50 = zero, c51 = zero;
        for (long i = 0; i < k; i++, b += strideB)
        {
            V b0 = T.Load(b), b1 = T.Load(b + T.Count);
            V value = T.Create(a[i]);
            c00 = T.MultiplyAdd(value, b0, c00);
            c01 = T.MultiplyAdd(value, b1, c01);
            value = T.Create(a1[i]);
            c10 = T.MultiplyAdd(value, b0, c10);
            c11 = T.MultiplyAdd(value, b1, c11);
            value = T.Create(a2[i]);
            c20 = T.MultiplyAdd(value, b0, c20);
            c21 = T.MultiplyAdd(value, b1, c21);
            value = T.Create(a3[i]);
            c30 = T.MultiplyAdd(value, b0, c30);
            c31 = T.MultiplyAdd(value, b1, c31);
            value = T.Create(a4[i]);
            c40 = T.MultiplyAdd(value, b0, c40);
            c41 = T.MultiplyAdd(value, b1, c41);
            value = T.Create(a5[i]);
            c50 = T.MultiplyAdd(value, b0, c50);
            c51 = T.MultiplyAdd(value, b1, c51);
        }
        Put(c, c00, c01, add);
        if (rows > 1) Put(c + strideC, c10, c11, add);
        if (rows > 2) Put(c + 2 * strideC, c20, c21, add);
        if (rows > 3) Put(c + 3 * strideC, c30, c31, add);
        if (rows > 4) Put(c + 4 * strideC, c40, c41, add);
        if (rows > 5) Put(c + 5 * strideC, c50, c51, add);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Put(float* target, V first, V second, bool add)
    {
        if (add)
        {
            first = T.Add(T.Load(target), first);
            second = T.Add(T.Load(target + T.Count), second);
        }
        T.Store(first, target);
        T.Store(second, target + T.Count);
    }
}
