using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Mural.Kernels;
using static TorchSharp.torch;

namespace Mural.Attention;

/// <summary>
/// Keys and values of all heads in the layout that bfloat16 products read: pairs along the summed dimension interleaved. Keys `[head][block][d / 2][key][2]`, values
/// `[head][pair of keys][d][2]`, the last pair filled up with zeros.
/// </summary>
internal sealed unsafe class PackedKeysAndValues
{
    private readonly Tensor _memory;
    private readonly uint* _keys, _values;
    private readonly int _size, _block;

    /// <param name="keys">Channels together. Shape: `[B, T, C]`.</param>
    /// <param name="values">Likewise.</param>
    /// <param name="heads">Divides C into even sizes.</param>
    /// <param name="block">Keys that are multiplied at a time, even.</param>
    internal PackedKeysAndValues(Tensor keys, Tensor values, int heads, int block)
    {
        Keys = (int)keys.shape[1];
        _size = (int)keys.shape[2] / heads;
        _block = block;
        int contexts = (int)keys.shape[0] * heads, blocks = (Keys + block - 1) / block;
        // Lives in the caller's dispose scope. A vector of the output's end may be read past the last value.
        _memory = empty(contexts * (KeysLength + ValuesLength) + Lanes.Most, ScalarType.Int32);
        _keys = (uint*)TensorData.Pointer(_memory);
        _values = _keys + contexts * KeysLength;
        var keyRows = new Rows(keys);
        var valueRows = new Rows(values);
        Workers.Run(contexts * blocks, (item, _) =>
        {
            (int context, int index) = Math.DivRem(item, blocks);
            int start = index * block, count = Math.Min(block, Keys - start);
            (int batch, int head) = Math.DivRem(context, heads);
            PackKeys(keyRows, batch, start, head * _size, count, (uint*)KeysAt(context, start));
            PackValues(valueRows, batch, start, head * _size, count, (uint*)ValuesAt(context, start));
        });
        GC.KeepAlive(keys);
        GC.KeepAlive(values);
    }

    /// <summary>Number of keys.</summary>
    internal int Keys { get; }

    private long KeysLength => (long)Keys * (_size / 2);

    private long ValuesLength => (Keys + 1L) / 2 * _size;

    /// <summary>The block of keys that begins at <paramref name="start"/>, a multiple of the block's size.</summary>
    internal ushort* KeysAt(int context, int start) => (ushort*)(_keys + context * KeysLength + (long)start * (_size / 2));

    internal ushort* ValuesAt(int context, int start) => (ushort*)(_values + context * ValuesLength + (long)start / 2 * _size);

    private void PackKeys(in Rows source, int batch, int start, int channel, int count, uint* target)
    {
        for (int key = 0; key < count; key++)
        {
            ushort* row = source.At(batch, start + key).BFloat16s(channel);
            for (int pair = 0; pair < _size / 2; pair++) target[pair * count + key] = row[2 * pair] | (uint)row[2 * pair + 1] << 16;
        }
    }

    private void PackValues(in Rows source, int batch, int start, int channel, int count, uint* target)
    {
        for (int key = 0; key < count; key += 2, target += _size)
        {
            ushort* first = source.At(batch, start + key).BFloat16s(channel);
            ushort* second = key + 1 < count ? source.At(batch, start + key + 1).BFloat16s(channel) : null;
            int i = 0;
            for (; second is not null && i + Lanes512.Count <= _size; i += Lanes512.Count)
            {
                Vector512<uint> low = Avx512F.ConvertToVector512UInt32(Vector256.Load(first + i)), high = Avx512F.ConvertToVector512UInt32(Vector256.Load(second + i));
                (low | (high << 16)).Store(target + i);
            }
            for (; i < _size; i++) target[i] = first[i] | (second is null ? 0 : (uint)second[i] << 16);
        }
    }
}
