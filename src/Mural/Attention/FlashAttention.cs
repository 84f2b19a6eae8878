using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Mural.Kernels;
using TorchSharp;
using static TorchSharp.torch;

namespace Mural.Attention;

/// <summary>
/// Attention in bfloat16 that never holds all scores (FlashAttention, arXiv 2205.14135): blocks of queries walk over blocks of keys with a running maximum and sum. Products run on
/// <see cref="BFloat16Products"/>, the softmax between them in float32 vectors; queries are read and results written where they lie, heads side by side.
/// </summary>
internal static unsafe class FlashAttention
{
    private const int QueryBlock = 64, KeyBlock = 512, LargestHead = 512;

    /// <summary>Whether this machine and these tensors are served; gradients are not.</summary>
    internal static bool Serves(Tensor queries, Tensor keys, Tensor values, int heads)
    {
        long head = queries.shape[2] / heads;
        return BFloat16Products.Available && Avx512F.IsSupported && queries.device_type == DeviceType.CPU
            && queries.dtype == ScalarType.BFloat16 && keys.dtype == ScalarType.BFloat16 && values.dtype == ScalarType.BFloat16
            && head is > 0 and <= LargestHead && head % 2 == 0 && queries.numel() > 0 && keys.numel() > 0
            && !Gradients.AreRecorded(queries, keys, values);
    }

    /// <inheritdoc cref="SoftmaxAttention.Apply"/>
    internal static Tensor Apply(Tensor queries, Tensor keys, Tensor values, int heads)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor q = Rows.WithJoinedChannels(queries), k = Rows.WithJoinedChannels(keys), v = Rows.WithJoinedChannels(values);
        Tensor output = empty(queries.shape, ScalarType.BFloat16);
        var packed = new PackedKeysAndValues(k, v, heads, KeyBlock);
        int batch = (int)q.shape[0], tokens = (int)q.shape[1], size = (int)q.shape[2] / heads, blocks = (tokens + QueryBlock - 1) / QueryBlock;
        var problem = new Problem(
            new Rows(q), q.stride(1), new Rows(output), packed, tokens, heads, size, sharedKeys: k.shape[0] == 1);

        using Tensor scratch = empty(Workers.Count * (long)Scratch.Size(size), ScalarType.Float32);
        float* memory = TensorData.Floats(scratch);
        Workers.Run(batch * heads * blocks, (item, worker) =>
        {
            (int pair, int block) = Math.DivRem(item, blocks);
            Queries(problem, pair / heads, pair % heads, block * QueryBlock, new Scratch(memory + worker * (long)Scratch.Size(size), size));
        });
        GC.KeepAlive(q);
        return output.MoveToOuterDisposeScope();
    }

    private readonly struct Problem(
        Rows queries, long rowStride, Rows output, PackedKeysAndValues context, int tokens, int heads, int size, bool sharedKeys)
    {
        internal readonly int Tokens = tokens, Size = size;
        internal readonly long RowStride = rowStride;
        internal readonly Rows Output = output;
        internal readonly PackedKeysAndValues Context = context;

        // Softmax to the base 2: e^(s / √d) = 2^(s · Scale).
        internal readonly float Scale = (float)(LaneMath.Log2E / Math.Sqrt(size));

        internal ushort* QueriesOf(int batch, int head, int token) => queries.At(batch, token).BFloat16s(head * Size);

        internal int ContextOf(int batch, int head) => (sharedKeys ? 0 : batch) * heads + head;
    }

    /// <summary>What one worker keeps for one block of queries.</summary>
    private readonly struct Scratch(float* memory, int size)
    {
        internal readonly float* Scores = memory, Output = memory + QueryBlock * (KeyBlock + 2);
        internal readonly float* Sums = memory + QueryBlock * KeyBlock, Most = memory + QueryBlock * (KeyBlock + 1);

        /// <summary>Weights of the keys, bfloat16.</summary>
        internal readonly ushort* Weights = (ushort*)(memory + QueryBlock * (KeyBlock + 2 + size));

        internal static int Size(int size) => QueryBlock * (KeyBlock + 2 + size + KeyBlock / 2);
    }

    private static void Queries(in Problem problem, int batch, int head, int first, in Scratch scratch)
    {
        int rows = Math.Min(QueryBlock, problem.Tokens - first), size = problem.Size, context = problem.ContextOf(batch, head);
        ushort* queries = problem.QueriesOf(batch, head, first);
        PackedKeysAndValues packed = problem.Context;
        for (int row = 0; row < rows; row++)
        {
            scratch.Sums[row] = 0;
            scratch.Most[row] = float.NegativeInfinity;
        }
        for (int start = 0; start < packed.Keys; start += KeyBlock)
        {
            int keys = Math.Min(KeyBlock, packed.Keys - start), pairs = (keys + 1) / 2;
            BFloat16Products.Multiply(rows, keys, size, queries, problem.RowStride, packed.KeysAt(context, start), scratch.Scores, KeyBlock, add: false);
            for (int row = 0; row < rows; row++)
                WeighRow(keys, problem.Scale, scratch.Scores + row * KeyBlock, scratch.Weights + row * KeyBlock, scratch.Sums + row, scratch.Most + row, start == 0 ? null : scratch.Output + row * size, size);
            BFloat16Products.Multiply(rows, size, 2 * pairs, scratch.Weights, KeyBlock, packed.ValuesAt(context, start), scratch.Output, size, add: start > 0);
        }
        BFloat16Products.Finish();
        for (int row = 0; row < rows; row++) Write(problem.Output.At(batch, first + row), head * size, size, scratch.Output + row * size, 1 / scratch.Sums[row]);
    }

    // 2^(scale · score - most) of one row, with the row's maximum so far; what was summed with an older maximum shrinks to the new one.
    private static void WeighRow(int keys, float scale, float* scores, ushort* weights, float* sum, float* most, float* output, int size)
    {
        int width = (keys + Lanes512.Count - 1) / Lanes512.Count * Lanes512.Count;
        for (int i = keys; i < width; i++) scores[i] = float.NegativeInfinity;
        Vector512<float> largest = Vector512.Load(scores);
        for (int i = Lanes512.Count; i < width; i += Lanes512.Count) largest = Lanes512.Max(largest, Vector512.Load(scores + i));
        float limit = Math.Max(*most, Largest(largest) * scale), shrink = float.Exp2(*most - limit);
        *most = limit;

        Vector512<float> c1 = Vector512.Create(LaneMath.C1), c2 = Vector512.Create(LaneMath.C2), c3 = Vector512.Create(LaneMath.C3), c4 = Vector512.Create(LaneMath.C4);
        Vector512<float> c5 = Vector512.Create(LaneMath.C5), one = Vector512<float>.One, factor = Vector512.Create(scale), offset = Vector512.Create(-limit);
        // Bounded so that the whole part of an infinite exponent is finite; 2^-200 is 0.
        Vector512<float> least = Vector512.Create(-200f), total = Vector512<float>.Zero;
        for (int i = 0; i < width; i += Lanes512.Count)
        {
            Vector512<float> exponent = Lanes512.Max(least, Lanes512.MultiplyAdd(Vector512.Load(scores + i), factor, offset));
            Vector512<float> weight = LaneMath.Exp2<Lanes512, Vector512<float>>(exponent, c1, c2, c3, c4, c5, one);
            total += weight;
            // To nearest; weights are positive and at most 1.
            Avx512F.ConvertToVector256UInt16((weight.AsUInt32() + Vector512.Create(0x8000u)) >> 16).Store(weights + i);
        }
        *sum = *sum * shrink + Vector512.Sum(total);

        if (output is null || shrink == 1) return;
        for (int i = 0; i < size; i++) output[i] *= shrink;
    }

    private static float Largest(Vector512<float> values)
    {
        Vector256<float> eight = Vector256.Max(values.GetLower(), values.GetUpper());
        Vector128<float> four = Vector128.Max(eight.GetLower(), eight.GetUpper());
        return Math.Max(Math.Max(four[0], four[1]), Math.Max(four[2], four[3]));
    }

    private static void Write(in Row output, int channel, int size, float* values, float factor)
    {
        for (int i = 0; i < size; i += Lanes512.Count)
            output.Store<Lanes512, Vector512<float>>(Vector512.Load(values + i) * Vector512.Create(factor), channel + i, size - i);
    }
}
