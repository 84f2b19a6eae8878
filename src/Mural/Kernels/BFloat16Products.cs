using System.Runtime.InteropServices;
using Mural.Runtime;

namespace Mural.Kernels;

/// <summary>
/// Products of small bfloat16 matrices with a float32 result, by the micro-kernel that libtorch uses itself: .NET has no intrinsics for these instructions (AVX512-BF16, AMX). It
/// is a C++ symbol of one version of libtorch on one platform, so it is looked up, tried once on a product whose result is known, and may be missing.
/// </summary>
internal static unsafe class BFloat16Products
{
    private const string ProductSymbol = "_ZN2at6native7cpublas6brgemmEllllllbPKN3c108BFloat16ES5_Pfb";
    private const string ReleaseSymbol = "_ZN2at6native7cpublas14brgemm_releaseEb";

    private static readonly delegate* unmanaged[Cdecl]<long, long, long, long, long, long, byte, ushort*, ushort*, float*, byte, void> Product;
    private static readonly delegate* unmanaged[Cdecl]<byte, void> Release;

    static BFloat16Products()
    {
        // Asked of the processor first: on others the function throws through native frames.
        if (!ProcessorFeatures.Current.MultipliesBFloat16 || LoadedLibraries.Find("libtorch_cpu.so") is not nint library) return;
        if (!NativeLibrary.TryGetExport(library, ProductSymbol, out nint product) || !NativeLibrary.TryGetExport(library, ReleaseSymbol, out nint release)) return;
        Product = (delegate* unmanaged[Cdecl]<long, long, long, long, long, long, byte, ushort*, ushort*, float*, byte, void>)product;
        Release = (delegate* unmanaged[Cdecl]<byte, void>)release;
        Available = IsRight();
    }

    internal static bool Available { get; }

    /// <summary>C = A B, or C += A B.</summary>
    /// <param name="m">Rows of A and C.</param>
    /// <param name="n">Columns of B and C.</param>
    /// <param name="k">Columns of A and rows of B, even.</param>
    /// <param name="a">`[m, k]`.</param>
    /// <param name="strideA">From one row of A to the next.</param>
    /// <param name="b">`[k / 2, n, 2]`: two rows of B lie interleaved.</param>
    /// <param name="strideB">From one pair of rows of B to the next, in pairs of numbers.</param>
    /// <param name="c">`[m, n]`.</param>
    /// <param name="strideC">From one row of C to the next.</param>
    /// <param name="add">Adds to C instead of overwriting it.</param>
    internal static void Multiply(int m, int n, int k, ushort* a, long strideA, ushort* b, long strideB, float* c, long strideC, bool add) =>
        Product(m, n, k, strideA, strideB, strideC, add ? (byte)1 : (byte)0, a, b, c, 1);

    /// <summary>Gives back what the processor keeps for a thread's products; to be called when a piece of work is done.</summary>
    internal static void Finish() => Release(1);

    // Whole numbers that bfloat16 holds exactly, in sizes that no vector divides.
    private static bool IsRight()
    {
        const int M = 3, N = 5, K = 4;
        ushort* a = stackalloc ushort[M * K], b = stackalloc ushort[K * N];
        float* c = stackalloc float[M * N];
        for (int i = 0; i < M; i++)
            for (int k = 0; k < K; k++) LanesScalar.StoreBFloat16(i - k, a + i * K + k);
        for (int k = 0; k < K; k++)
            for (int j = 0; j < N; j++) LanesScalar.StoreBFloat16(2 * k - j, b + (k / 2 * N + j) * 2 + k % 2);
        for (int i = 0; i < M * N; i++) c[i] = 1;
        Multiply(M, N, K, a, K, b, N, c, N, add: true);
        Finish();
        for (int i = 0; i < M; i++)
        {
            for (int j = 0; j < N; j++)
            {
                float expected = 1;
                for (int k = 0; k < K; k++) expected += (i - k) * (2 * k - j);
                if (c[i * N + j] != expected) return false;
            }
        }
        return true;
    }
}
