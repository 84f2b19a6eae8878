using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;
using static TorchSharp.torch;

namespace Mural.Kernels;

/// <summary>A tensor `[B, L, E]` of float32 or bfloat16 whose channels lie together and whose rows may lie apart.</summary>
internal readonly unsafe struct Rows
{
    private readonly byte* _data;
    private readonly long _batchStride, _rowStride;
    private readonly bool _bfloat16;

    /// <param name="tensor">Shape: `[B, L, E]`, with channels one element apart; see <see cref="Serves"/>.</param>
    internal Rows(Tensor tensor)
    {
        _bfloat16 = tensor.dtype == ScalarType.BFloat16;
        int size = _bfloat16 ? sizeof(ushort) : sizeof(float);
        _data = (byte*)TensorData.Pointer(tensor);
        _batchStride = tensor.stride(0) * size;
        _rowStride = tensor.stride(1) * size;
    }

    /// <summary>Whether the elements are of a type that kernels read.</summary>
    internal static bool Serves(ScalarType type) => type is ScalarType.Float32 or ScalarType.BFloat16;

    /// <summary>The tensor itself where its channels lie together, else a contiguous copy.</summary>
    internal static Tensor WithJoinedChannels(Tensor tensor) => tensor.stride(2) == 1 || tensor.shape[2] <= 1 ? tensor.alias() : tensor.contiguous();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal Row At(long batch, long row) => new(_data + batch * _batchStride + row * _rowStride, _bfloat16);
}

/// <summary>One token of <see cref="Rows"/>.</summary>
internal readonly unsafe struct Row(byte* data, bool bfloat16)
{
    private const int CacheLine = 64;

    /// <summary>One row of float32 numbers.</summary>
    internal static Row Of(float* data) => new((byte*)data, bfloat16: false);

    /// <summary>
    /// Channels from <paramref name="channel"/> on; lanes beyond <paramref name="left"/> channels are zero. Loops pass the constant <c>T.Count</c> for whole vectors,
    /// which leaves a single load.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal V Load<T, V>(int channel, int left) where T : ILanes<V> where V : unmanaged
    {
        if (left < T.Count) return LoadPart<T, V>(data, bfloat16, channel, left);
        return bfloat16 ? T.LoadBFloat16((ushort*)data + channel) : T.Load((float*)data + channel);
    }

    /// <summary>Asks for the cache lines of some channels, which will be read or written soon: rows lie far apart, where the processor does not look by itself.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal void Prefetch(int channel, int channels)
    {
        if (!Sse.IsSupported) return;
        int size = bfloat16 ? sizeof(ushort) : sizeof(float);
        byte* first = data + channel * size;
        for (int offset = 0; offset < channels * size; offset += CacheLine) Sse.Prefetch0(first + offset);
    }

    /// <summary>Writes channels from <paramref name="channel"/> on, <paramref name="left"/> of them at most; see <see cref="Load"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal void Store<T, V>(V value, int channel, int left) where T : ILanes<V> where V : unmanaged
    {
        if (left < T.Count) StorePart<T, V>(value, data, bfloat16, channel, left);
        else if (bfloat16) T.StoreBFloat16(value, (ushort*)data + channel);
        else T.Store(value, (float*)data + channel);
    }

    // These take the fields instead of the row: a row whose address is passed on would live in memory everywhere.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static V LoadPart<T, V>(byte* data, bool bfloat16, int channel, int left) where T : ILanes<V> where V : unmanaged
    {
        float* lanes = stackalloc float[Lanes.Most];
        for (int lane = 0; lane < Lanes.Most; lane++) lanes[lane] = 0;
        for (int lane = 0; lane < left; lane++)
            lanes[lane] = bfloat16 ? LanesScalar.LoadBFloat16((ushort*)data + channel + lane) : ((float*)data)[channel + lane];
        return T.Load(lanes);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void StorePart<T, V>(V value, byte* data, bool bfloat16, int channel, int left) where T : ILanes<V> where V : unmanaged
    {
        float* lanes = stackalloc float[Lanes.Most];
        T.Store(value, lanes);
        for (int lane = 0; lane < left; lane++)
        {
            if (bfloat16) LanesScalar.StoreBFloat16(lanes[lane], (ushort*)data + channel + lane);
            else ((float*)data)[channel + lane] = lanes[lane];
        }
    }
}
