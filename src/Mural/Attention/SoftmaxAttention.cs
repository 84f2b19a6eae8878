using Mural.Kernels;
using Mural.Runtime;
using TorchSharp;
using static TorchSharp.torch;

namespace Mural.Attention;

/// <summary>softmax(q kᵀ / √d) v for several heads, whose channels lie side by side: head h owns channels h d to (h + 1) d.</summary>
internal static class SoftmaxAttention
{
    /// <summary>Attention in the fastest way that serves the inputs. Scores and softmax are float32 for inputs of reduced precision.</summary>
    /// <param name="queries">Shape: `[B, N, C]`.</param>
    /// <param name="keys">In the queries' type. Shape: `[B, T, C]`, or `[1, T, C]` for the same keys in the whole batch.</param>
    /// <param name="values">Likewise. Shape: that of the keys.</param>
    /// <param name="heads">Divides C.</param>
    /// <param name="kernels">Hand-written kernels where they serve, or libtorch's operator always.</param>
    /// <param name="causal">Whether query n attends to the keys 0 to n alone.</param>
    /// <returns>Shape: `[B, N, C]`.</returns>
    internal static Tensor Apply(Tensor queries, Tensor keys, Tensor values, int heads, KernelSet kernels, bool causal = false)
    {
        bool ours = kernels == KernelSet.Mural && !causal && queries.device_type == DeviceType.CPU && keys.dtype == queries.dtype && values.dtype == queries.dtype
            && !Gradients.AreRecorded(queries, keys, values);
        return ours ? Apply(queries, keys, values, heads, AttentionChoice.For(AttentionShape.Of(queries, keys, heads)).Way) : Reference(queries, keys, values, heads, causal);
    }

    /// <summary>Attention in a way that serves the inputs.</summary>
    internal static Tensor Apply(Tensor queries, Tensor keys, Tensor values, int heads, AttentionWay way) => way switch
    {
        AttentionWay.Libtorch => Reference(queries, keys, values, heads),
        AttentionWay.Chunked => ChunkedAttention.Apply(queries, keys, values, heads),
        _ => FlashAttention.Apply(queries, keys, values, heads, way, VectorWidths.Best),
    };

    /// <summary>The same with libtorch's operator.</summary>
    /// <param name="queries">Shape: `[B, N, C]`.</param>
    /// <param name="keys">Shape: `[B, T, C]`, or `[1, T, C]` for the same keys in the whole batch.</param>
    /// <param name="values">Shape: that of the keys.</param>
    /// <param name="heads">Divides C.</param>
    /// <param name="causal">Whether query n attends to the keys 0 to n alone.</param>
    /// <returns>Shape: `[B, N, C]`.</returns>
    internal static Tensor Reference(Tensor queries, Tensor keys, Tensor values, int heads, bool causal = false)
    {
        using DisposeScope scope = NewDisposeScope();
        long batch = queries.shape[0], tokens = queries.shape[1], channels = queries.shape[2];
        Tensor attended = nn.functional.scaled_dot_product_attention(
            ByHead(queries, batch, heads), ByHead(keys, batch, heads), ByHead(values, batch, heads), is_casual: causal);
        return attended.transpose(1, 2).reshape(batch, tokens, channels).MoveToOuterDisposeScope();
    }

    /// <summary>Tokens seen by head. Shape: `[B or 1, N, C]` to `[B, heads, N, C / heads]`, a view where the memory allows it.</summary>
    internal static Tensor ByHead(Tensor tokens, long batch, int heads) =>
        tokens.expand(batch, tokens.shape[1], tokens.shape[2]).reshape(batch, tokens.shape[1], heads, tokens.shape[2] / heads).transpose(1, 2);
}
