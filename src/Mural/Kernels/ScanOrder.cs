using System.Collections.Concurrent;
using TorchSharp;
using static TorchSharp.torch;

namespace Mural.Kernels;

/// <summary>
/// The order in which a scan reads the rows of a sequence: token t of the scan is row <c>Table[t]</c> of the storage. Immutable; one instance serves every
/// block and batch of a grid (spec dim.md 1.5).
/// </summary>
internal sealed class ScanOrder
{
    private readonly int[] _table;
    private readonly int[] _inverse;
    private readonly ConcurrentDictionary<(DeviceType, int), (Tensor Index, Tensor Inverse)> _tensors = new();

    /// <exception cref="ArgumentException"><paramref name="table"/> is not a permutation of 0..length-1.</exception>
    internal ScanOrder(ReadOnlySpan<int> table)
    {
        _table = table.ToArray();
        _inverse = new int[_table.Length];
        Array.Fill(_inverse, -1);
        for (int t = 0; t < _table.Length; t++)
        {
            int row = _table[t];
            if ((uint)row >= (uint)_table.Length || _inverse[row] >= 0)
                throw new ArgumentException($"A scan order of {_table.Length} tokens must name every row once; entry {t} is {row}.", nameof(table));
            _inverse[row] = t;
        }
    }

    internal int Length => _table.Length;

    /// <summary>Storage row of scan token t.</summary>
    internal ReadOnlySpan<int> Table => _table;

    /// <summary><see cref="Table"/> for kernels; not to be written.</summary>
    internal int[] Rows => _table;

    /// <summary>Scan token of a storage row.</summary>
    internal ReadOnlySpan<int> Inverse => _inverse;

    /// <summary><see cref="Table"/> as an int64 tensor; shared, not to be disposed.</summary>
    internal Tensor IndexOn(Device device) => TensorsOn(device).Index;

    /// <summary><see cref="Inverse"/> as an int64 tensor; shared, not to be disposed.</summary>
    internal Tensor InverseOn(Device device) => TensorsOn(device).Inverse;

    private (Tensor Index, Tensor Inverse) TensorsOn(Device device) =>
        _tensors.GetOrAdd((device.type, device.index), _ => (ToTensor(_table, device), ToTensor(_inverse, device)));

    private static Tensor ToTensor(int[] values, Device device)
    {
        // Tables made in an inference run serve later training too.
        using IDisposable recordable = inference_mode(false);
        using Tensor narrow = tensor(values, int32);
        return narrow.to(int64).to(device).DetachFromDisposeScope();
    }
}
