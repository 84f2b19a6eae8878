using System.Runtime.Intrinsics;
using Mural.Kernels;
using static TorchSharp.torch;

namespace Mural.Attention;

/// <summary>
/// Values of all heads, block of keys by block, channels as rows: `[head][block][d][key]`, in 32-bit words of one float32 or of two keys' bfloat16, whose last pair is filled up
/// with a zero.
/// </summary>
internal sealed unsafe class TransposedValues
{
    private readonly uint* _words;
    private readonly int _size, _perWord, _wordsOfHead;

    /// <param name="values">Each head's channels together. Shape: `[B, heads, T, d]`.</param>
    /// <param name="block">Keys that are multiplied at a time, even.</param>
    internal TransposedValues(Tensor values, int block)
    {
        int heads = (int)values.shape[1], keys = (int)values.shape[2], contexts = (int)values.shape[0] * heads, blocks = (keys + block - 1) / block;
        _perWord = values.dtype == ScalarType.BFloat16 ? 2 : 1;
        _size = (int)values.shape[3];
        _wordsOfHead = checked((keys + _perWord - 1) / _perWord * _size);
        // Lives in the caller's dispose scope.
        _words = (uint*)TensorData.Pointer(empty((long)contexts * _wordsOfHead, ScalarType.Int32));
        var rows = new HeadRows(values);
        Workers.Run(contexts * blocks, (item, _) =>
        {
            (int context, int index) = Math.DivRem(item, blocks);
            int start = index * block, count = Math.Min(block, keys - start);
            byte* source = rows.At(context / heads, context % heads, start);
            uint* target = At(context, start);
            if (_perWord == 2) Transposition.Pairs((ushort*)source, rows.Stride / sizeof(ushort), count, _size, target, (count + 1) / 2);
            else Transposition.Words<Lanes256, Vector256<float>>(source, rows.Stride, count, _size, target, count);
        });
        GC.KeepAlive(values);
    }

    /// <summary>The block of keys that begins at <paramref name="start"/>, a multiple of the block's size; its rows follow each other without gaps.</summary>
    /// <param name="context">Batch entry times heads plus head.</param>
    /// <param name="start">First key.</param>
    internal uint* At(int context, int start) => _words + (long)context * _wordsOfHead + (long)start / _perWord * _size;
}
