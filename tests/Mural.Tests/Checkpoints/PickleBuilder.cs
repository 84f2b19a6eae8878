using System.Buffers.Binary;
using System.Text;
using Mural.Checkpoints.Pickle;

namespace Mural.Tests.Checkpoints;

/// <summary>Writes pickles, right and wrong ones.</summary>
internal sealed class PickleBuilder
{
    private readonly MemoryStream _bytes = new();

    internal PickleBuilder(byte protocol = 2) => _bytes.Write([(byte)PickleOpcode.Proto, protocol]);

    /// <summary>The pickle, with the instruction that ends it.</summary>
    internal byte[] ToArray() => [.. _bytes.ToArray(), (byte)PickleOpcode.Stop];

    internal PickleBuilder Op(params ReadOnlySpan<PickleOpcode> opcodes)
    {
        foreach (PickleOpcode opcode in opcodes) _bytes.WriteByte((byte)opcode);
        return this;
    }

    internal PickleBuilder Raw(params ReadOnlySpan<byte> bytes)
    {
        _bytes.Write(bytes);
        return this;
    }

    internal PickleBuilder Text(string text)
    {
        byte[] utf8 = Encoding.UTF8.GetBytes(text);
        return Op(PickleOpcode.BinUnicode).Int32(utf8.Length).Raw(utf8);
    }

    internal PickleBuilder Integer(long value)
    {
        Span<byte> bytes = stackalloc byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(bytes, value);
        return Op(PickleOpcode.Long1).Raw(8).Raw(bytes);
    }

    internal PickleBuilder Global(string module, string name) => Op(PickleOpcode.Global).Raw(Encoding.UTF8.GetBytes($"{module}\n{name}\n"));

    internal PickleBuilder Tuple(params ReadOnlySpan<long> values)
    {
        Op(PickleOpcode.Mark);
        foreach (long value in values) Integer(value);
        return Op(PickleOpcode.Tuple);
    }

    internal PickleBuilder Storage(string key, string type, long elements, string module = "torch") =>
        Op(PickleOpcode.Mark).Text("storage").Global(module, type).Text(key).Text("cuda:0").Integer(elements).Op(PickleOpcode.Tuple, PickleOpcode.BinPersId);

    /// <summary>A tensor as torch.save writes it.</summary>
    internal PickleBuilder Tensor(string key, string type, long elements, long offset, ReadOnlySpan<long> shape, ReadOnlySpan<long> strides) =>
        Global("torch._utils", "_rebuild_tensor_v2").Op(PickleOpcode.Mark).Storage(key, type, elements).Integer(offset).Tuple(shape).Tuple(strides)
            .Op(PickleOpcode.NewFalse).Global("collections", "OrderedDict").Op(PickleOpcode.EmptyTuple, PickleOpcode.Reduce, PickleOpcode.Tuple, PickleOpcode.Reduce);

    /// <summary>A tensor of a type that has no storage class of its own.</summary>
    internal PickleBuilder UntypedTensor(string key, string type, long bytes, long offset, ReadOnlySpan<long> shape, ReadOnlySpan<long> strides) =>
        Global("torch._utils", "_rebuild_tensor_v3").Op(PickleOpcode.Mark).Storage(key, "UntypedStorage", bytes, "torch.storage").Integer(offset).Tuple(shape).Tuple(strides)
            .Op(PickleOpcode.NewFalse, PickleOpcode.None).Global("torch", type).Op(PickleOpcode.Tuple, PickleOpcode.Reduce);

    private PickleBuilder Int32(int value)
    {
        Span<byte> bytes = stackalloc byte[4];
        BinaryPrimitives.WriteInt32LittleEndian(bytes, value);
        return Raw(bytes);
    }
}
