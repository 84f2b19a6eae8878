using TorchSharp;
using static TorchSharp.torch;

namespace Mural.Attention;

/// <summary>
/// Attention as two products with a softmax between, for some queries at a time so that only their scores are held; all in float32, by the library that libtorch multiplies with.
/// </summary>
internal static class ChunkedAttention
{
    // 32 MiB of scores.
    private const long MostScores = 8 << 20;

    /// <inheritdoc cref="SoftmaxAttention.Reference"/>
    internal static Tensor Apply(Tensor queries, Tensor keys, Tensor values, int heads)
    {
        using DisposeScope scope = NewDisposeScope();
        long batch = queries.shape[0], tokens = queries.shape[1], size = queries.shape[2] / heads, pairs = batch * heads;
        Tensor q = ByHead(queries, batch, heads) * (1 / Math.Sqrt(size)), k = ByHead(keys, batch, heads).transpose(1, 2), v = ByHead(values, batch, heads);
        Tensor output = empty([pairs, tokens, size], ScalarType.Float32, queries.device);
        long chunk = Math.Clamp(MostScores / (pairs * Math.Max(1, keys.shape[1])), 1, Math.Max(1, tokens));
        for (long start = 0; start < tokens; start += chunk)
        {
            using DisposeScope inner = NewDisposeScope();
            long count = Math.Min(chunk, tokens - start);
            Tensor weights = q.narrow(1, start, count).bmm(k).softmax(-1);
            output.narrow(1, start, count).copy_(weights.bmm(v));
        }
        return output.view(batch, heads, tokens, size).transpose(1, 2).reshape(queries.shape).to(queries.dtype).MoveToOuterDisposeScope();
    }

    // [B or 1, N, C] -> [B heads, N, C / heads] in float32.
    private static Tensor ByHead(Tensor tokens, long batch, int heads) => SoftmaxAttention.ByHead(tokens.to(ScalarType.Float32), batch, heads).flatten(0, 1);
}
