using System.Buffers.Binary;
using System.Text;
using static TorchSharp.torch;

namespace Mural.Checkpoints.Pickle;

/// <summary>Writes the pickle (protocol 2) of a flat state dict: an ordered dictionary from names to tensors, each the whole of its own storage.</summary>
internal sealed class StateDictPickle
{
    private readonly MemoryStream _pickle = new();

    private StateDictPickle() { }

    /// <summary>The pickle of these tensors; tensor i has the storage i.</summary>
    internal static byte[] Write(IReadOnlyList<PendingTensor> tensors)
    {
        var writer = new StateDictPickle();
        writer.Add(PickleOpcode.Proto, 2);
        writer.EmptyOrderedDictionary();
        writer.Add(PickleOpcode.Mark);
        for (int i = 0; i < tensors.Count; i++)
        {
            writer.Text(tensors[i].Name);
            writer.Tensor(tensors[i], i);
        }
        writer.Add(PickleOpcode.SetItems);
        writer.Add(PickleOpcode.Stop);
        return writer._pickle.ToArray();
    }

    // torch._utils._rebuild_tensor_v2(storage, offset, shape, strides, requires_grad, backward_hooks)
    private void Tensor(PendingTensor tensor, int storage)
    {
        Global("torch._utils", "_rebuild_tensor_v2");
        Add(PickleOpcode.Mark);
        Storage(tensor, storage);
        Integer(0);
        Tuple(tensor.Shape);
        Tuple(Strides(tensor.Shape));
        Add(PickleOpcode.NewFalse);
        EmptyOrderedDictionary();
        Add(PickleOpcode.Tuple);
        Add(PickleOpcode.Reduce);
    }

    private void Storage(PendingTensor tensor, int storage)
    {
        Add(PickleOpcode.Mark);
        Text("storage");
        Global("torch", StorageClass(tensor.Type, tensor.Name));
        Text(storage.ToString(System.Globalization.CultureInfo.InvariantCulture));
        Text("cpu");
        Integer(new TensorEntry(tensor.Name, tensor.Type, tensor.Shape, 0, 0).Elements);
        Add(PickleOpcode.Tuple);
        Add(PickleOpcode.BinPersId);
    }

    private void EmptyOrderedDictionary()
    {
        Global("collections", "OrderedDict");
        Add(PickleOpcode.EmptyTuple);
        Add(PickleOpcode.Reduce);
    }

    private void Tuple(long[] values)
    {
        Add(PickleOpcode.Mark);
        foreach (long value in values) Integer(value);
        Add(PickleOpcode.Tuple);
    }

    private void Integer(long value)
    {
        Span<byte> bytes = stackalloc byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(bytes, value);
        if (value is >= int.MinValue and <= int.MaxValue)
        {
            Add(PickleOpcode.BinInt);
            _pickle.Write(bytes[..4]);
            return;
        }
        Add(PickleOpcode.Long1, 8);
        _pickle.Write(bytes);
    }

    private void Text(string text)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        Span<byte> length = stackalloc byte[4];
        BinaryPrimitives.WriteInt32LittleEndian(length, bytes.Length);
        Add(PickleOpcode.BinUnicode);
        _pickle.Write(length);
        _pickle.Write(bytes);
    }

    private void Global(string module, string name)
    {
        Add(PickleOpcode.Global);
        _pickle.Write(Encoding.ASCII.GetBytes($"{module}\n{name}\n"));
    }

    private void Add(PickleOpcode opcode) => _pickle.WriteByte((byte)opcode);

    private void Add(PickleOpcode opcode, byte argument)
    {
        Add(opcode);
        _pickle.WriteByte(argument);
    }

    private static long[] Strides(long[] shape)
    {
        var strides = new long[shape.Length];
        long stride = 1;
        for (int i = shape.Length - 1; i >= 0; i--)
        {
            strides[i] = stride;
            stride *= Math.Max(1, shape[i]);
        }
        return strides;
    }

    private static string StorageClass(ScalarType type, string tensor) => type switch
    {
        ScalarType.Float32 => "FloatStorage",
        ScalarType.Float64 => "DoubleStorage",
        ScalarType.Float16 => "HalfStorage",
        ScalarType.BFloat16 => "BFloat16Storage",
        ScalarType.Int64 => "LongStorage",
        ScalarType.Int32 => "IntStorage",
        ScalarType.Int16 => "ShortStorage",
        ScalarType.Int8 => "CharStorage",
        ScalarType.Byte => "ByteStorage",
        ScalarType.Bool => "BoolStorage",
        _ => throw new MuralException($"The tensor {tensor} has the type {type}, which a PyTorch file cannot hold; convert it first."),
    };
}
