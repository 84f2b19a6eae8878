using System.Buffers.Binary;
using System.Numerics;
using System.Text;

namespace Mural.Checkpoints.Pickle;

/// <summary>
/// Reads a pickle as data. Python runs a pickle as a program that may call anything; this machine knows how to build lists, dictionaries and tensor
/// records, keeps every other object as an inert name with its arguments, and refuses what could only be meant to run (<see cref="PickleGlobals"/>).
/// It is a loop over instructions, so nesting costs no call stack, and each instruction makes at most one object, so memory is bounded by the pickle's length.
/// </summary>
internal ref struct PickleMachine
{
    // PROTO 2 is what PyTorch writes, 5 the newest there is.
    private const int NewestProtocol = 5;

    private static readonly UTF8Encoding Utf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private readonly ReadOnlySpan<byte> _pickle;
    private readonly CheckpointLimits _limits;
    private readonly PickleStack _stack;
    private readonly Dictionary<string, PickleStorage> _storages = [];
    private int _position;

    private PickleMachine(ReadOnlySpan<byte> pickle, CheckpointLimits limits)
    {
        _pickle = pickle;
        _limits = limits;
        _stack = new PickleStack(limits);
    }

    /// <summary>Reads one pickle from the start of the bytes; more may follow its end.</summary>
    /// <exception cref="PickleException">It is malformed or asks for what is refused.</exception>
    internal static PickleResult Read(ReadOnlySpan<byte> pickle, CheckpointLimits limits)
    {
        var machine = new PickleMachine(pickle, limits);
        for (int instructions = 1; machine.Step(); instructions++)
            if (instructions >= limits.PickleInstructions) throw new PickleException($"it has more than {limits.PickleInstructions} instructions");
        object? value = machine._stack.Pop();
        if (machine._stack.Count > 0) throw new PickleException("it leaves values on its stack");
        return new PickleResult(value, machine._position, machine._storages);
    }

    // Carries out one instruction; false after the last.
    private bool Step()
    {
        var opcode = (PickleOpcode)Byte();
        switch (opcode)
        {
            case PickleOpcode.Stop: return false;
            case PickleOpcode.Proto: CheckProtocol(); break;
            case PickleOpcode.Frame: Bytes(8); break;
            case PickleOpcode.Mark: _stack.Mark(); break;
            case PickleOpcode.Pop: _stack.Pop(); break;
            case PickleOpcode.PopMark: _stack.PopToMark(); break;
            case PickleOpcode.Dup: _stack.Push(_stack.Peek()); break;
            case PickleOpcode.BinPut: _stack.Remember(Byte()); break;
            case PickleOpcode.LongBinPut: _stack.Remember(UInt32()); break;
            case PickleOpcode.Memoize: _stack.Memoize(); break;
            case PickleOpcode.BinGet: _stack.Push(_stack.Recall(Byte())); break;
            case PickleOpcode.LongBinGet: _stack.Push(_stack.Recall(UInt32())); break;
            case PickleOpcode.Append: Append([_stack.Pop()]); break;
            case PickleOpcode.Appends or PickleOpcode.AddItems: Append([.. _stack.PopToMark()]); break;
            case PickleOpcode.SetItem: SetItem(); break;
            case PickleOpcode.SetItems: SetItems(_stack.PopToMark()); break;
            case PickleOpcode.Build: Build(); break;
            default: _stack.Push(Value(opcode)); break;
        }
        return true;
    }

    // The instructions that leave one value.
    private object? Value(PickleOpcode opcode) => opcode switch
    {
        PickleOpcode.None => null,
        PickleOpcode.NewTrue => true,
        PickleOpcode.NewFalse => false,
        PickleOpcode.BinInt => (long)(int)UInt32(),
        PickleOpcode.BinInt1 => (long)Byte(),
        PickleOpcode.BinInt2 => (long)BinaryPrimitives.ReadUInt16LittleEndian(Bytes(2)),
        PickleOpcode.Long1 => Integer(Byte()),
        PickleOpcode.Long4 => Integer(UInt32()),
        PickleOpcode.BinFloat => BinaryPrimitives.ReadDoubleBigEndian(Bytes(8)),
        PickleOpcode.BinUnicode => Text(UInt32()),
        PickleOpcode.ShortBinUnicode => Text(Byte()),
        PickleOpcode.BinUnicode8 => Text(UInt64()),
        PickleOpcode.BinString => Encoding.Latin1.GetString(String(UInt32())),
        PickleOpcode.ShortBinString => Encoding.Latin1.GetString(String(Byte())),
        PickleOpcode.BinBytes => String(UInt32()).ToArray(),
        PickleOpcode.ShortBinBytes => String(Byte()).ToArray(),
        PickleOpcode.EmptyTuple or PickleOpcode.EmptyList or PickleOpcode.EmptySet => new PickleSequence(),
        PickleOpcode.Tuple or PickleOpcode.List or PickleOpcode.FrozenSet => new PickleSequence(_stack.PopToMark()),
        PickleOpcode.Tuple1 => Sequence(1),
        PickleOpcode.Tuple2 => Sequence(2),
        PickleOpcode.Tuple3 => Sequence(3),
        PickleOpcode.EmptyDict => PickleObject.Dictionary(),
        PickleOpcode.Dict => Dictionary(_stack.PopToMark()),
        PickleOpcode.Global => PickleGlobals.Refer(Line(), Line()),
        PickleOpcode.StackGlobal => StackGlobal(),
        PickleOpcode.BinPersId => Storage(),
        PickleOpcode.Reduce => Reduce(),
        PickleOpcode.NewObj => NewObject(_stack.Pop<PickleSequence>("a tuple of arguments")),
        PickleOpcode.NewObjEx => NewObjectWithNames(),
        _ => throw new PickleException($"it has the instruction 0x{(byte)opcode:X2}, which no checkpoint needs"),
    };

    private void CheckProtocol()
    {
        int protocol = Byte();
        if (protocol is < 2 or > NewestProtocol) throw new PickleException($"it is of protocol {protocol} where 2 to {NewestProtocol} can be read");
    }

    private object Reduce()
    {
        PickleSequence arguments = _stack.Pop<PickleSequence>("a tuple of arguments");
        return PickleGlobals.Call(_stack.Pop<PickleGlobal>("the name of a function"), arguments, _limits);
    }

    private PickleObject NewObject(PickleSequence arguments) => PickleGlobals.Create(_stack.Pop<PickleGlobal>("the name of a class"), arguments);

    private PickleObject NewObjectWithNames()
    {
        _stack.Pop<PickleObject>("a dictionary of arguments");
        return NewObject(_stack.Pop<PickleSequence>("a tuple of arguments"));
    }

    private readonly PickleStorage Storage()
    {
        PickleStorage storage = PickleTensors.Storage(_stack.Pop());
        if (_storages.TryAdd(storage.Key, storage) || _storages[storage.Key] == storage) return storage;
        throw new PickleException($"it describes the storage {storage.Key} in two ways");
    }

    private PickleGlobal StackGlobal()
    {
        string name = _stack.Pop<string>("a name");
        return PickleGlobals.Refer(_stack.Pop<string>("a module's name"), name);
    }

    private PickleSequence Sequence(int count)
    {
        var items = new List<object?>(count);
        for (int i = 0; i < count; i++) items.Insert(0, _stack.Pop());
        return new PickleSequence(items);
    }

    private static PickleObject Dictionary(List<object?> pairs)
    {
        PickleObject dictionary = PickleObject.Dictionary();
        SetItems(dictionary, pairs);
        return dictionary;
    }

    private void SetItem()
    {
        object? value = _stack.Pop(), key = _stack.Pop();
        _stack.Peek<PickleObject>("a dictionary").Set(key, value);
    }

    private readonly void SetItems(List<object?> pairs) => SetItems(_stack.Peek<PickleObject>("a dictionary"), pairs);

    private static void SetItems(PickleObject dictionary, List<object?> pairs)
    {
        if (pairs.Count % 2 != 0) throw new PickleException("a dictionary gets a key without a value");
        for (int i = 0; i < pairs.Count; i += 2) dictionary.Set(pairs[i], pairs[i + 1]);
    }

    // Objects of unknown classes may be filled like lists; what is in them is of no interest.
    private readonly void Append(ReadOnlySpan<object?> items)
    {
        if (_stack.Peek() is PickleObject { Type: not null }) return;
        _stack.Peek<PickleSequence>("a list").Add(items);
    }

    // Sets an object's attributes, which are none of ours, except those of a namespace, which are the options of a command line, and a dictionary's of parameters, which hold
    // these.
    private readonly void Build()
    {
        object? state = _stack.Pop();
        object? target = _stack.Peek();
        if (target is not (PickleObject or PickleTensor)) throw new PickleException("it sets attributes of something that has none");
        if (target is not PickleObject { Type: { } type } instance || state is not PickleObject attributes) return;
        if (PickleGlobals.IsNamespace(type)) instance.Adopt(attributes);
        else if (PickleGlobals.IsParameterDictionary(type) && attributes.Items.LastOrDefault(item => item.Key is "_parameters").Value is PickleObject parameters)
            instance.Adopt(parameters);
    }

    private object Integer(uint length)
    {
        if (length > _limits.IntegerBytes)
            throw new PickleException($"it holds an integer of {length} bytes where at most {_limits.IntegerBytes} are accepted");
        var value = new BigInteger(Bytes((int)length), isUnsigned: false, isBigEndian: false);
        object narrowest = value;
        if (value >= long.MinValue && value <= long.MaxValue) narrowest = (long)value;
        return narrowest;
    }

    private string Text(ulong length)
    {
        try
        {
            return Utf8.GetString(String(length));
        }
        catch (DecoderFallbackException)
        {
            throw new PickleException("it holds text that is not UTF-8");
        }
    }

    private ReadOnlySpan<byte> String(ulong length)
    {
        if (length > (ulong)_limits.StringBytes)
            throw new PickleException($"it holds a string of {length} bytes where at most {_limits.StringBytes} are accepted");
        return Bytes((int)length);
    }

    private string Line()
    {
        ReadOnlySpan<byte> rest = _pickle[_position..];
        int length = rest[..Math.Min(rest.Length, PickleGlobals.LongestName + 1)].IndexOf((byte)'\n');
        if (length < 0) throw new PickleException("it holds a name without an end");
        _position += length + 1;
        return Encoding.Latin1.GetString(rest[..length]);
    }

    private byte Byte() => Bytes(1)[0];

    private uint UInt32() => BinaryPrimitives.ReadUInt32LittleEndian(Bytes(4));

    private ulong UInt64() => BinaryPrimitives.ReadUInt64LittleEndian(Bytes(8));

    private ReadOnlySpan<byte> Bytes(int count)
    {
        if (count > _pickle.Length - _position) throw new PickleException("it ends in the middle of an instruction");
        ReadOnlySpan<byte> bytes = _pickle.Slice(_position, count);
        _position += count;
        return bytes;
    }
}

/// <summary>What a pickle held.</summary>
/// <param name="Value">The object it describes.</param>
/// <param name="Bytes">How long it was.</param>
/// <param name="Storages">The storages it refers to, by key.</param>
internal sealed record PickleResult(object? Value, int Bytes, IReadOnlyDictionary<string, PickleStorage> Storages);
