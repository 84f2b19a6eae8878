using Mural.Runtime;
using TorchSharp;
using static TorchSharp.torch;

namespace Mural.Attention;

/// <summary>softmax(q kᵀ / √d) v for several heads, whose channels lie side by side: head h owns channels h d to (h + 1) d.</summary>
internal static class SoftmaxAttention
{
    /// <summary>Attention by the fastest kernel that serves the inputs. Scores and softmax are float32 for inputs of reduced precision.</summary>
    /// <param name="queries">Shape: `[B, N, C]`.</param>
    /// <param name="keys">Shape: `[B, T, C]`, or `[1, T, C]` for the same keys in the whole batch.</param>
    /// <param name="values">Shape: that of the keys.</param>
    /// <param name="heads">Divides C.</param>
    /// <param name="kernels">Hand-written kernels where they serve, or libtorch's operator always.</param>
    /// <returns>Shape: `[B, N, C]`.</returns>
    internal static Tensor Apply(Tensor queries, Tensor keys, Tensor values, int heads, KernelSet kernels)
    {
        if (kernels == KernelSet.Mural && FlashAttention.Serves(queries, keys, values, heads)) return FlashAttention.Apply(queries, keys, values, heads);
        using DisposeScope scope = NewDisposeScope();
        long batch = queries.shape[0], tokens = queries.shape[1], channels = queries.shape[2];
        Tensor attended = nn.functional.scaled_dot_product_attention(
            ByHead(queries, batch, heads), ByHead(keys, batch, heads), ByHead(values, batch, heads));
        return attended.transpose(1, 2).reshape(batch, tokens, channels).MoveToOuterDisposeScope();
    }

    // [B, N, C] -> [B, heads, N, C / heads], a view.
    private static Tensor ByHead(Tensor tokens, long batch, int heads) =>
        tokens.expand(batch, tokens.shape[1], tokens.shape[2]).reshape(batch, tokens.shape[1], heads, tokens.shape[2] / heads).transpose(1, 2);
}
