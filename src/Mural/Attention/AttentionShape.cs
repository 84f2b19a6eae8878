using static TorchSharp.torch;

namespace Mural.Attention;

/// <summary>Sizes that decide how attention is computed.</summary>
/// <param name="Batch">Batch entries.</param>
/// <param name="Heads">Heads of each.</param>
/// <param name="Tokens">Queries of each head.</param>
/// <param name="Keys">Keys of each head.</param>
/// <param name="Size">Channels of a head.</param>
/// <param name="Type">Type of all inputs.</param>
internal readonly record struct AttentionShape(long Batch, int Heads, long Tokens, long Keys, long Size, ScalarType Type)
{
    internal static AttentionShape Of(Tensor queries, Tensor keys, int heads) =>
        new(queries.shape[0], heads, queries.shape[1], keys.shape[1], queries.shape[2] / heads, queries.dtype);

    /// <summary>Floating-point operations of both products.</summary>
    internal double Operations => 4.0 * Batch * Heads * Tokens * Keys * Size;
}
