using System.Runtime.CompilerServices;
using Mural.Kernels;

namespace Mural.Attention;

/// <summary>float32 on libtorch's micro-kernel.</summary>
internal readonly unsafe struct Float32Format : IFlashFormat
{
    private const int Columns = FlashProblem.QueryBlock;

    public static int PerWord => 1;

    public static int ColumnStep => Lanes.Most;

    public static bool KeepsScores => false;

    public static void Multiply(int m, int n, int k, void* a, long strideA, void* b, float* c, bool add) =>
        Float32Products.Multiply(m, n, k, (float*)a, strideA, (float*)b, Columns, c, Columns, add);

    public static void Finish()
    {
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Weigh<T, V>(float* scores, int keys, float scale, V most, float* weights) where T : ILanes<V> where V : unmanaged =>
        Float32Weights.InPlace<T, V>(scores, keys, scale, most);
}

/// <summary>float32 in vectors of our own.</summary>
internal readonly unsafe struct VectorFormat<W, X> : IFlashFormat
    where W : ILanes<X>
    where X : unmanaged
{
    private const int Columns = FlashProblem.QueryBlock;

    public static int PerWord => 1;

    public static int ColumnStep => VectorProducts<W, X>.TileColumns;

    public static bool KeepsScores => false;

    public static void Multiply(int m, int n, int k, void* a, long strideA, void* b, float* c, bool add) =>
        VectorProducts<W, X>.Multiply(m, n, k, (float*)a, strideA, (float*)b, Columns, c, Columns, add);

    public static void Finish()
    {
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Weigh<T, V>(float* scores, int keys, float scale, V most, float* weights) where T : ILanes<V> where V : unmanaged =>
        Float32Weights.InPlace<T, V>(scores, keys, scale, most);
}

/// <summary>Weights in float32.</summary>
internal static unsafe class Float32Weights
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static V InPlace<T, V>(float* scores, int keys, float scale, V most) where T : ILanes<V> where V : unmanaged
    {
        V c1 = T.Create(LaneMath.C1), c2 = T.Create(LaneMath.C2), c3 = T.Create(LaneMath.C3), c4 = T.Create(LaneMath.C4), c5 = T.Create(LaneMath.C5), one = T.Create(1);
        // Bounded so that the whole part of an infinite exponent is finite; 2^-200 is 0.
        V factor = T.Create(scale), offset = T.Subtract(T.Create(0), most), least = T.Create(-200), sum = T.Create(0);
        for (int key = 0; key < keys; key++, scores += FlashProblem.QueryBlock)
        {
            V exponent = T.Max(least, T.MultiplyAdd(T.Load(scores), factor, offset));
            V weight = LaneMath.Exp2<T, V>(exponent, c1, c2, c3, c4, c5, one);
            sum = T.Add(sum, weight);
            T.Store(weight, scores);
        }
        return sum;
    }
}
