using Mural.Kernels;
using static TorchSharp.torch;

namespace Mural.Attention;

/// <summary>
/// Values of all heads, block of keys by block, channels as rows: `[head][block][d][key]`, in 32-bit words of one float32 or of two keys' bfloat16, whose last pair is filled up with a zero.
/// </summary>
internal sealed unsafe class TransposedValues
{
    private readonly uint* _words;
    private readonly int _size, _perWord, _wordsOfHead;

    /// <param name="values">Channels together. Shape: `[B, T, C]`.</param>
    /// <param name="heads">Divides C.</param>
    /// <param name="block">Keys that are multiplied at a time, even.</param>
    internal TransposedValues(Tensor values, int heads, int block)
    {
        int keys = (int)values.shape[1], contexts = (int)values.shape[0] * heads, blocks = (keys + block - 1) / block;
        _perWord = values.dtype == ScalarType.BFloat16 ? 2 : 1;
        _size = (int)values.shape[2] / heads;
        _wordsOfHead = (keys + _perWord - 1) / _perWord * _size;
        // Lives in the caller's dispose scope.
        Tensor memory = empty((long)contexts * _wordsOfHead, ScalarType.Int32);
        _words = (uint*)TensorData.Pointer(memory);
        var rows = new Rows(values);
        Workers.Run(contexts * blocks, (item, _) =>
        {
            (int context, int index) = Math.DivRem(item, blocks);
            (int batch, int head) = Math.DivRem(context, heads);
            int start = index * block, count = Math.Min(block, keys - start);
            byte* source = rows.At(batch, start).Address(head * _size);
            uint* target = At(context, start);
            if (_perWord == 2) Transposition.Pairs((ushort*)source, rows.RowStride / sizeof(ushort), count, _size, target, (count + 1) / 2);
            else Transposition.Words<Lanes256, System.Runtime.Intrinsics.Vector256<float>>(source, rows.RowStride, count, _size, target, count);
        });
        GC.KeepAlive(values);
    }

    /// <summary>The block of keys that begins at <paramref name="start"/>, a multiple of the block's size; its rows follow each other without gaps.</summary>
    /// <param name="context">Batch entry times heads plus head.</param>
    /// <param name="start">First key.</param>
    internal uint* At(int context, int start) => _words + (long)context * _wordsOfHead + (long)start / _perWord * _size;
}
