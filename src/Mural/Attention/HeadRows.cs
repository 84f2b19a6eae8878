using System.Runtime.CompilerServices;
using Mural.Kernels;
using static TorchSharp.torch;

namespace Mural.Attention;

/// <summary>Tokens `[B, heads, N, d]` of float32 or bfloat16, each head's channels together. Good while the tensor is.</summary>
internal readonly unsafe struct HeadRows
{
    private readonly byte* _data;
    private readonly long _batchStride, _headStride;

    internal HeadRows(Tensor tokens)
    {
        int bytes = tokens.dtype == ScalarType.BFloat16 ? sizeof(ushort) : sizeof(float);
        _data = (byte*)TensorData.Pointer(tokens);
        _batchStride = tokens.stride(0) * bytes;
        _headStride = tokens.stride(1) * bytes;
        Stride = tokens.stride(2) * bytes;
    }

    /// <summary>From one token of a head to the next, in bytes.</summary>
    internal long Stride { get; }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal byte* At(long batch, long head, long token) => _data + batch * _batchStride + head * _headStride + token * Stride;

    /// <summary>Tokens `[B, N, heads · d]` by head, a view wherever their channels lie together.</summary>
    internal static Tensor Split(Tensor tokens, int heads) =>
        (tokens.stride(2) == 1 ? tokens : tokens.contiguous()).view(tokens.shape[0], tokens.shape[1], heads, tokens.shape[2] / heads).transpose(1, 2);
}
