using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Mural.Kernels;
using TorchSharp;
using static TorchSharp.torch;

namespace Mural.Attention;

/// <summary>
/// Attention that never holds all scores (FlashAttention, arXiv 2205.14135): blocks of queries walk over blocks of keys with a running maximum and sum. Queries and keys are read
/// and results written where they lie, heads side by side; softmax and sums are float32.
/// </summary>
internal static unsafe class FlashAttention
{
    private const int CacheLine = 64;

    // From here on so many blocks of queries read the keys that a copy of them, head by head, is cheap.
    private const int ManyQueries = 2048;

    /// <summary>The largest head that is served: its block of queries still fits a second-level cache.</summary>
    internal const int LargestHead = 512;

    /// <summary>Whether this machine has the products of one of the flash ways.</summary>
    internal static bool Has(AttentionWay way) => way switch
    {
        AttentionWay.FlashBFloat16 => BFloat16Products.Available && Avx512F.IsSupported,
        AttentionWay.FlashFloat32 => Float32Products.Available,
        _ => way == AttentionWay.FlashVectors,
    };

    /// <summary>Attention of float32 or bfloat16 tensors on the CPU that are not empty, without gradients.</summary>
    /// <param name="queries">Shape: `[B, N, C]`.</param>
    /// <param name="keys">Shape: `[B, T, C]`, or `[1, T, C]` for the same keys in the whole batch.</param>
    /// <param name="values">Shape: that of the keys.</param>
    /// <param name="heads">Divides C.</param>
    /// <param name="way">One that this machine has.</param>
    /// <param name="width">Vectors of float32 arithmetic.</param>
    /// <returns>In the queries' type. Shape: `[B, N, C]`.</returns>
    internal static Tensor Apply(Tensor queries, Tensor keys, Tensor values, int heads, AttentionWay way, VectorWidth width)
    {
        using DisposeScope scope = NewDisposeScope();
        FlashPasses passes = Passes(way, width);
        Tensor q = WholeWords(Operand(queries, heads, passes), passes), k = WholeWords(Operand(keys, heads, passes), passes), v = Operand(values, heads, passes);
        if (queries.shape[1] >= ManyQueries && k.shape[3] * k.element_size() % CacheLine != 0) k = k.contiguous();
        Tensor output = empty(queries.shape, queries.dtype);
        var problem = new FlashProblem(q, k, v, HeadRows.Split(output, heads));
        long length = FlashScratch.Size(problem);
        float* memory = TensorData.Floats(empty(Math.Min(Workers.Count, problem.Items) * length, ScalarType.Float32));
        Workers.Run(problem.Items, (item, worker) => passes.Forward(problem, problem.Block(item), new FlashScratch(memory + worker * length, problem)));
        GC.KeepAlive(q);
        GC.KeepAlive(k);
        return output.MoveToOuterDisposeScope();
    }

    private static Tensor Operand(Tensor tokens, int heads, FlashPasses passes) =>
        HeadRows.Split(tokens.to(passes.PerWord == 1 ? ScalarType.Float32 : ScalarType.BFloat16), heads);

    // What products sum over comes in whole words: a zero is added to heads of odd size.
    private static Tensor WholeWords(Tensor tokens, FlashPasses passes) => tokens.shape[3] % passes.PerWord == 0 ? tokens : nn.functional.pad(tokens, [0, 1]).contiguous();

    private static FlashPasses Passes(AttentionWay way, VectorWidth width) => (way, width) switch
    {
        (AttentionWay.FlashBFloat16, _) => new FlashPasses<BFloat16Format, Lanes512, Vector512<float>>(),
        (AttentionWay.FlashFloat32, VectorWidth.Bits512) => new FlashPasses<Float32Format, Lanes512, Vector512<float>>(),
        (AttentionWay.FlashFloat32, _) => new FlashPasses<Float32Format, Lanes256, Vector256<float>>(),
        _ => width.Passes<FlashPasses>(),
    };
}
