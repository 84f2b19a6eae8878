using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;
using Mural.Runtime;

namespace Mural.Kernels;

/// <summary>
/// Products of small float32 matrices by the micro-kernel that libtorch uses itself. A C++ symbol of one version of libtorch on one platform, as those of
/// <see cref="BFloat16Products"/> are: looked up, tried once, and possibly missing.
/// </summary>
internal static unsafe class Float32Products
{
    private const string ProductSymbol = "_ZN2at6native7cpublas6brgemmEllllllbPKfS3_Pfb";

    private static readonly delegate* unmanaged[Cdecl]<long, long, long, long, long, long, byte, float*, float*, float*, byte, void> Product;

    static Float32Products()
    {
        // Without 256-bit vectors the function would go through a general product, which is slow for small matrices.
        if (!Avx2.IsSupported || LoadedLibraries.Find("libtorch_cpu.so") is not nint library || !NativeLibrary.TryGetExport(library, ProductSymbol, out nint product)) return;
        Product = (delegate* unmanaged[Cdecl]<long, long, long, long, long, long, byte, float*, float*, float*, byte, void>)product;
        Available = IsRight();
    }

    internal static bool Available { get; }

    /// <summary>C = A B, or C += A B.</summary>
    /// <param name="m">Rows of A and C.</param>
    /// <param name="n">Columns of B and C.</param>
    /// <param name="k">Columns of A and rows of B.</param>
    /// <param name="a">`[m, k]`.</param>
    /// <param name="strideA">From one row of A to the next.</param>
    /// <param name="b">`[k, n]`.</param>
    /// <param name="strideB">From one row of B to the next.</param>
    /// <param name="c">`[m, n]`.</param>
    /// <param name="strideC">From one row of C to the next.</param>
    /// <param name="add">Adds to C instead of overwriting it.</param>
    internal static void Multiply(int m, int n, int k, float* a, long strideA, float* b, long strideB, float* c, long strideC, bool add) =>
        Product(m, n, k, strideA, strideB, strideC, add ? (byte)1 : (byte)0, a, b, c, 0);

    // Whole numbers, which float32 holds exactly, in sizes that no vector divides.
    private static bool IsRight()
    {
        const int M = 3, N = 5, K = 4;
        float* a = stackalloc float[M * K], b = stackalloc float[K * N], c = stackalloc float[M * N], expected = stackalloc float[M * N];
        for (int i = 0; i < M * K; i++) a[i] = i - 5;
        for (int i = 0; i < K * N; i++) b[i] = 2 * i - 7;
        for (int i = 0; i < M * N; i++) c[i] = 1;
        for (int i = 0; i < M * N; i++)
        {
            expected[i] = 1;
            for (int k = 0; k < K; k++) expected[i] += a[i / N * K + k] * b[k * N + i % N];
        }
        Multiply(M, N, K, a, K, b, N, c, N, add: true);
        return new ReadOnlySpan<float>(c, M * N).SequenceEqual(new ReadOnlySpan<float>(expected, M * N));
    }
}
