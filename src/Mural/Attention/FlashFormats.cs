using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Mural.Kernels;

namespace Mural.Attention;

/// <summary>bfloat16 pairs on libtorch's micro-kernel; vectors are of 512 bits, which that kernel needs too.</summary>
internal readonly unsafe struct BFloat16Format : IFlashFormat
{
    private const int Columns = FlashProblem.QueryBlock;

    public static int PerWord => 2;

    public static int ColumnStep => Lanes512.Count;

    public static void Multiply(int m, int n, int k, void* a, long strideA, void* b, float* c, bool add) =>
        BFloat16Products.Multiply(m, n, k, (ushort*)a, strideA, (ushort*)b, Columns, c, Columns, add);

    public static void Finish() => BFloat16Products.Finish();

    // To the nearest bfloat16: weights are positive. The sum is of the rounded weights, so that equal values come out unchanged.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Weigh<T, V>(float* scores, int keys, float scale, V most, float* weights) where T : ILanes<V> where V : unmanaged
    {
        Vector512<float> factor = Vector512.Create(scale), offset = -(Vector512<float>)(object)most, sum = Vector512<float>.Zero, other = sum;
        Vector512<uint> half = Vector512.Create(0x8000u), upper = Vector512.Create(0xFFFF0000u);
        int key = 0;
        for (; key + 2 <= keys; key += 2, scores += 2 * Columns, weights += Columns)
        {
            Vector512<uint> low = Weight(scores, factor, offset) + half, high = (Weight(scores + Columns, factor, offset) + half) & upper;
            sum += (low & upper).AsSingle();
            other += high.AsSingle();
            ((low >> 16) | high).AsSingle().Store(weights);
        }
        if (key < keys)
        {
            Vector512<uint> last = Weight(scores, factor, offset) + half;
            sum += (last & upper).AsSingle();
            (last >> 16).AsSingle().Store(weights);
        }
        return (V)(object)(sum + other);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<uint> Weight(float* scores, Vector512<float> factor, Vector512<float> offset)
    {
        // Bounded so that the whole part of an infinite exponent is finite; 2^-200 is 0.
        Vector512<float> exponent = Lanes512.Max(Vector512.Create(-200f), Lanes512.MultiplyAdd(Vector512.Load(scores), factor, offset));
        return LaneMath.Exp2ForBFloat16<Lanes512, Vector512<float>>(exponent).AsUInt32();
    }
}

/// <summary>float32 on libtorch's micro-kernel.</summary>
internal readonly unsafe struct Float32Format : IFlashFormat
{
    private const int Columns = FlashProblem.QueryBlock;

    public static int PerWord => 1;

    public static int ColumnStep => Lanes.Most;

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
        V factor = T.Create(scale), offset = T.Subtract(T.Create(0), most), sum = T.Create(0);
        for (int key = 0; key < keys; key++, scores += FlashProblem.QueryBlock)
        {
            V exponent = T.Max(T.Create(-200), T.MultiplyAdd(T.Load(scores), factor, offset));
            V weight = LaneMath.Exp2<T, V>(exponent, c1, c2, c3, c4, c5, one);
            sum = T.Add(sum, weight);
            T.Store(weight, scores);
        }
        return sum;
    }
}
