namespace Mural.Attention;

/// <summary>How softmax attention is computed.</summary>
internal enum AttentionWay
{
    /// <summary>libtorch's own operator: takes everything, masks and gradients too.</summary>
    Libtorch,

    /// <summary><see cref="ChunkedAttention"/>.</summary>
    Chunked,

    /// <summary><see cref="FlashAttention"/> in float32 with products in our own vectors.</summary>
    FlashVectors,

    /// <summary><see cref="FlashAttention"/> in float32 on libtorch's micro-kernel.</summary>
    FlashFloat32,

    /// <summary><see cref="FlashAttention"/> in bfloat16 on libtorch's micro-kernel.</summary>
    FlashBFloat16,
}
