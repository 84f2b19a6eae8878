using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Mural.Kernels;
using TorchSharp;
using static TorchSharp.torch;

namespace Mural.Attention;

/// <summary>What <see cref="FlashAttention"/> multiplies with.</summary>
internal enum FlashProducts
{
    /// <summary><see cref="BFloat16Products"/>.</summary>
    BFloat16,

    /// <summary><see cref="Float32Products"/>.</summary>
    Float32,

    /// <summary><see cref="VectorProducts{T, V}"/>, in float32.</summary>
    Vectors,
}

/// <summary>
/// Attention that never holds all scores (FlashAttention, arXiv 2205.14135): blocks of queries walk over blocks of keys with a running maximum and sum. Queries and keys are read and
/// results written where they lie, heads side by side; softmax and sums are float32.
/// </summary>
internal static unsafe class FlashAttention
{
    internal static int KeyBlock = 128;

    /// <summary>Largest head that is served: its block of queries still fits the second-level cache.</summary>
    internal const int LargestHead = 512;

    /// <summary>Whether this machine has these products.</summary>
    internal static bool Has(FlashProducts products) => products switch
    {
        FlashProducts.BFloat16 => BFloat16Products.Available && Avx512F.IsSupported,
        FlashProducts.Float32 => Float32Products.Available,
        _ => true,
    };

    /// <summary>Attention without gradients of tensors that are not empty, float32 or bfloat16, on the CPU.</summary>
    /// <inheritdoc cref="SoftmaxAttention.Apply"/>
    /// <param name="queries">Shape: `[B, N, C]`.</param>
    /// <param name="keys">Shape: `[B, T, C]`, or `[1, T, C]` for the same keys in the whole batch.</param>
    /// <param name="values">Shape: that of the keys.</param>
    /// <param name="heads">Divides C.</param>
    /// <param name="products">Products that are there; those in bfloat16 take only that.</param>
    /// <param name="width">Vectors of the softmax, and of the products where they are in vectors.</param>
    internal static Tensor Apply(Tensor queries, Tensor keys, Tensor values, int heads, FlashProducts products, VectorWidth width)
    {
        using DisposeScope scope = NewDisposeScope();
        FlashPasses passes = Passes(products, width);
        int size = (int)queries.shape[2] / heads;
        Tensor q = Operand(queries, heads, passes.PerWord, fill: true), k = Operand(keys, heads, passes.PerWord, fill: true), v = Operand(values, heads, passes.PerWord, fill: false);
        Tensor output = empty(queries.shape, queries.dtype);
        var problem = new FlashProblem(q, k, v, output, heads, size, KeyBlock);
        long length = FlashScratch.Size(problem);
        float* memory = TensorData.Floats(empty(Math.Min(Workers.Count, problem.Items) * length, ScalarType.Float32));
        Workers.Run(problem.Items, (item, worker) => passes.Forward(problem, problem.Block(item), new FlashScratch(memory + worker * length, problem)));
        GC.KeepAlive(q);
        GC.KeepAlive(k);
        return output.MoveToOuterDisposeScope();
    }

    // In the products' type, channels together, and the size of a head filled up to whole words where the product sums over it.
    private static Tensor Operand(Tensor tokens, int heads, int perWord, bool fill)
    {
        Tensor typed = tokens.to(perWord == 2 ? ScalarType.BFloat16 : ScalarType.Float32);
        long size = tokens.shape[2] / heads;
        if (!fill || size % perWord == 0) return Rows.WithJoinedChannels(typed);
        return nn.functional.pad(typed.reshape(tokens.shape[0], tokens.shape[1], heads, size), [0, 1]).reshape(tokens.shape[0], tokens.shape[1], heads * (size + 1));
    }

    private static FlashPasses Passes(FlashProducts products, VectorWidth width) => (products, width) switch
    {
        (FlashProducts.BFloat16, _) => new FlashPasses<BFloat16Format, Lanes512, Vector512<float>>(),
        (FlashProducts.Float32, VectorWidth.Bits512) => new FlashPasses<Float32Format, Lanes512, Vector512<float>>(),
        (FlashProducts.Float32, _) => new FlashPasses<Float32Format, Lanes256, Vector256<float>>(),
        (_, VectorWidth.Bits512) => new FlashPasses<VectorFormat<Lanes512, Vector512<float>>, Lanes512, Vector512<float>>(),
        (_, VectorWidth.Bits256) => new FlashPasses<VectorFormat<Lanes256, Vector256<float>>, Lanes256, Vector256<float>>(),
        (_, VectorWidth.Bits128) => new FlashPasses<VectorFormat<Lanes128, Vector128<float>>, Lanes128, Vector128<float>>(),
        _ => new FlashPasses<VectorFormat<LanesScalar, float>, LanesScalar, float>(),
    };
}
