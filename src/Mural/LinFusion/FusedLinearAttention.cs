using Mural.Attention;
using Mural.Kernels;
using TorchSharp;
using static TorchSharp.torch;

namespace Mural.LinFusion;

/// <summary>
/// The two passes of <see cref="LinearKernel"/> with φ, products and division in one walk over blocks of tokens that stay in the first caches: keys, values and queries are read and
/// results written where they lie, once each. Whatever the tensors' type, features, products and sums are float32.
/// </summary>
internal static unsafe class FusedLinearAttention
{
    // Tokens whose sum one worker makes. Sums of spans are added in order, so that the number of workers changes no bit.
    private const int Span = 1024;

    /// <summary>Whether the kernel takes these: float32 or bfloat16 on the CPU, of one type, not empty, without gradients.</summary>
    internal static bool Serves(Tensor tokens, Tensor? others = null) =>
        tokens.device_type == DeviceType.CPU && Rows.Serves(tokens.dtype) && tokens.numel() > 0 && (others is null || others.dtype == tokens.dtype) && !Gradients.AreRecorded(tokens, others);

    /// <summary><see cref="LinearKernel.Sums"/>.</summary>
    /// <param name="keys">Shape: `[B, N, C]`.</param>
    /// <param name="values">Shape: `[B, N, C]`.</param>
    /// <param name="heads">H.</param>
    /// <param name="width">Vectors of float32 arithmetic.</param>
    /// <returns>Float32. Shape: `[B, H, d, d + 1]`.</returns>
    internal static Tensor Sums(Tensor keys, Tensor values, int heads, VectorWidth width)
    {
        using DisposeScope scope = NewDisposeScope();
        LinearPasses passes = LinearPasses.For(keys.dtype, width);
        Tensor k = HeadRows.Split(keys, heads), v = HeadRows.Split(values, heads);
        int tokens = checked((int)k.shape[2]), size = (int)k.shape[3], columns = passes.Columns(size + 1), spans = (tokens + Span - 1) / Span, pairs = checked((int)k.shape[0] * heads);
        Tensor partial = empty([spans, k.shape[0], heads, size, columns]), memory = empty(Math.Min(Workers.Count, pairs * spans) * LinearScratch.Length(size, columns));
        float* sums = TensorData.Floats(partial), scratch = TensorData.Floats(memory);
        HeadRows keyRows = new(k), valueRows = new(v);
        Workers.Run(pairs * spans, (item, worker) =>
        {
            (int span, int pair) = Math.DivRem(item, pairs);
            (int batch, int head) = Math.DivRem(pair, heads);
            int first = span * Span;
            passes.Sum(
                keyRows.At(batch, head, first), keyRows.Stride, valueRows.At(batch, head, first), valueRows.Stride, Math.Min(Span, tokens - first),
                sums + (long)item * size * columns, new LinearScratch(scratch + worker * LinearScratch.Length(size, columns), size, columns));
        });
        GC.KeepAlive(k);
        GC.KeepAlive(v);
        Tensor whole = spans == 1 ? partial[0] : partial.sum([0L]);
        return whole.narrow(-1, 0, size + 1).contiguous().MoveToOuterDisposeScope();
    }

    /// <summary><see cref="LinearKernel.Attend"/>.</summary>
    /// <param name="queries">Shape: `[B, N, C]`.</param>
    /// <param name="means">Shape: `[B, H, d, d + 1]`.</param>
    /// <param name="width">Vectors of float32 arithmetic.</param>
    /// <returns>In the queries' type. Shape: `[B, N, C]`.</returns>
    internal static Tensor Attend(Tensor queries, Tensor means, VectorWidth width)
    {
        using DisposeScope scope = NewDisposeScope();
        LinearPasses passes = LinearPasses.For(queries.dtype, width);
        int heads = (int)means.shape[1];
        Tensor q = HeadRows.Split(queries, heads), output = empty(queries.shape, queries.dtype);
        int tokens = checked((int)q.shape[2]), size = (int)q.shape[3], columns = passes.Columns(size + 1), blocks = (tokens + LinearScratch.Block - 1) / LinearScratch.Block;
        int items = checked((int)q.shape[0] * heads * blocks);
        Tensor filled = nn.functional.pad(means.to(ScalarType.Float32), [0, columns - size - 1]).contiguous(), memory = empty(Math.Min(Workers.Count, items) * LinearScratch.Length(size, columns));
        float* factors = TensorData.Floats(filled), scratch = TensorData.Floats(memory);
        HeadRows queryRows = new(q), outputRows = new(HeadRows.Split(output, heads));
        Workers.Run(items, (item, worker) =>
        {
            (int pair, int block) = Math.DivRem(item, blocks);
            (int batch, int head) = Math.DivRem(pair, heads);
            int first = block * LinearScratch.Block;
            passes.Attend(
                queryRows.At(batch, head, first), queryRows.Stride, Math.Min(LinearScratch.Block, tokens - first), factors + (long)pair * size * columns,
                outputRows.At(batch, head, first), outputRows.Stride, new LinearScratch(scratch + worker * LinearScratch.Length(size, columns), size, columns));
        });
        GC.KeepAlive(q);
        return output.MoveToOuterDisposeScope();
    }
}
