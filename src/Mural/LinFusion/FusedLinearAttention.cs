using Mural.Attention;
using Mural.Kernels;
using TorchSharp;
using static TorchSharp.torch;

namespace Mural.LinFusion;

/// <summary>
/// The two passes of <see cref="LinearKernel"/> with φ, products and division in one walk over blocks of tokens that stay in the first caches: keys, values and queries are read
/// and results written where they lie, once each and all heads of a block together, because heads share cache lines. Whatever the tensors' type, features, products and sums are
/// float32.
/// </summary>
internal static unsafe class FusedLinearAttention
{
    // Sums are made by spans of tokens and then added in order, so that the number of workers changes no bit. Spans are short enough to be shared out, and few enough for their
    // sums to take no room.
    private const int ShortestSpan = 128, MostSpans = 256;

    /// <summary>Whether the kernel takes these: float32 or bfloat16 on the CPU, of one type, not empty, without gradients.</summary>
    internal static bool Serves(Tensor tokens, Tensor? others = null) =>
        tokens.device_type == DeviceType.CPU && Rows.Serves(tokens.dtype) && tokens.numel() > 0
        && (others is null || others.dtype == tokens.dtype) && !Gradients.AreRecorded(tokens, others);

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
        int batch = checked((int)k.shape[0]), tokens = checked((int)k.shape[2]), size = (int)k.shape[3], columns = passes.Columns(size + 1);
        int span = SpanOf(tokens), spans = (tokens + span - 1) / span;
        long room = LinearScratch.Length(heads, size, columns);
        Tensor partial = empty([spans, batch, heads, size, columns]), memory = empty(Math.Min(Workers.Count, batch * spans) * room);
        float* sums = TensorData.Floats(partial), free = TensorData.Floats(memory);
        HeadRows keyRows = new(k), valueRows = new(v);
        Workers.Run(batch * spans, (item, worker) =>
        {
            (int place, int picture) = Math.DivRem(item, batch);
            int first = place * span, end = Math.Min(first + span, tokens);
            var scratch = new LinearScratch(free + worker * room, heads, size, columns);
            new Span<float>(scratch.Wide, LinearScratch.Block * columns).Clear();
            for (int start = first; start < end; start += LinearScratch.Block)
            {
                int count = Math.Min(LinearScratch.Block, end - start);
                passes.Features(keyRows.At(picture, 0, start), keyRows.Stride, count, scratch);
                for (int head = 0; head < heads; head++)
                    passes.Sum(head, valueRows.At(picture, head, start), valueRows.Stride, count, sums + ((long)item * heads + head) * size * columns, add: start > first, scratch);
            }
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
        Tensor q = HeadRows.Split(queries, (int)means.shape[1]), output = empty(queries.shape, queries.dtype);
        int batch = checked((int)q.shape[0]), heads = (int)q.shape[1], tokens = checked((int)q.shape[2]), size = (int)q.shape[3], columns = passes.Columns(size + 1);
        int blocks = (tokens + LinearScratch.Block - 1) / LinearScratch.Block;
        long room = LinearScratch.Length(heads, size, columns);
        Tensor filled = nn.functional.pad(means.to(ScalarType.Float32), [0, columns - size - 1]).contiguous(), memory = empty(Math.Min(Workers.Count, batch * blocks) * room);
        float* factors = TensorData.Floats(filled), free = TensorData.Floats(memory);
        HeadRows queryRows = new(q), outputRows = new(HeadRows.Split(output, heads));
        Workers.Run(batch * blocks, (item, worker) =>
        {
            (int picture, int block) = Math.DivRem(item, blocks);
            int first = block * LinearScratch.Block, count = Math.Min(LinearScratch.Block, tokens - first);
            var scratch = new LinearScratch(free + worker * room, heads, size, columns);
            passes.Features(queryRows.At(picture, 0, first), queryRows.Stride, count, scratch);
            for (int head = 0; head < heads; head++)
                passes.Attend(head, count, factors + ((long)picture * heads + head) * size * columns, outputRows.At(picture, head, first), outputRows.Stride, scratch);
        });
        GC.KeepAlive(q);
        return output.MoveToOuterDisposeScope();
    }

    private static int SpanOf(int tokens)
    {
        int blocks = (tokens + LinearScratch.Block * MostSpans - 1) / (LinearScratch.Block * MostSpans);
        return Math.Max(ShortestSpan, blocks * LinearScratch.Block);
    }
}
