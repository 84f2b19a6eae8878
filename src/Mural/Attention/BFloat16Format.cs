using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Mural.Kernels;

namespace Mural.Attention;

/// <summary>bfloat16 pairs on libtorch's micro-kernel. Vectors are of 512 bits, which that kernel needs too.</summary>
internal readonly unsafe struct BFloat16Format : IFlashFormat
{
    private const int Columns = FlashProblem.QueryBlock;

    public static int PerWord => 2;

    public static int ColumnStep => Lanes512.Count;

    public static bool KeepsScores => true;

    public static void Multiply(int m, int n, int k, void* a, long strideA, void* b, float* c, bool add) =>
        BFloat16Products.Multiply(m, n, k, (ushort*)a, strideA, (ushort*)b, Columns, c, Columns, add);

    public static void Finish() => BFloat16Products.Finish();

    // Weights are cut off, not rounded, to bfloat16: what all lose in common is gone when they are divided by the sum of what is left.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Weigh<T, V>(float* scores, int keys, float scale, V most, float* weights) where T : ILanes<V> where V : unmanaged
    {
        Vector512<float> factor = Vector512.Create(scale), offset = -(Vector512<float>)(object)most, sum = Vector512<float>.Zero, other = sum;
        Vector512<uint> upper = Vector512.Create(0xFFFF0000u);
        int key = 0;
        for (; key + 2 <= keys; key += 2, scores += 2 * Columns, weights += Columns)
        {
            Vector512<uint> low = Weight(scores, factor, offset) & upper, high = Weight(scores + Columns, factor, offset) & upper;
            sum += low.AsSingle();
            other += high.AsSingle();
            ((low >> 16) | high).AsSingle().Store(weights);
        }
        if (key < keys)
        {
            Vector512<uint> last = Weight(scores, factor, offset) & upper;
            sum += last.AsSingle();
            (last >> 16).AsSingle().Store(weights);
        }
        return (V)(object)(sum + other);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<uint> Weight(float* scores, Vector512<float> factor, Vector512<float> offset) =>
        LaneMath.Exp2ForBFloat16<Lanes512, Vector512<float>>(Lanes512.MultiplyAdd(Vector512.Load(scores), factor, offset)).AsUInt32();
}
