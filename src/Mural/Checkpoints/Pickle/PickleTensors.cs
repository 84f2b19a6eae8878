namespace Mural.Checkpoints.Pickle;

/// <summary>Tensors as PyTorch pickles them: a persistent reference to a storage, and a call that views it. Nothing is read or allocated here.</summary>
internal static class PickleTensors
{
    private const string RebuildTensor = "torch._utils._rebuild_tensor";
    private const string RebuildTensor2 = "torch._utils._rebuild_tensor_v2";
    private const string RebuildTensor3 = "torch._utils._rebuild_tensor_v3";
    private const string RebuildParameter = "torch._utils._rebuild_parameter";
    private const string RebuildParameterWithState = "torch._utils._rebuild_parameter_with_state";
    private const string RebuildSubclass = "torch._tensor._rebuild_from_type_v2";

    private static readonly Dictionary<string, string> StorageTypes = new()
    {
        ["DoubleStorage"] = "F64",
        ["FloatStorage"] = "F32",
        ["HalfStorage"] = "F16",
        ["BFloat16Storage"] = "BF16",
        ["LongStorage"] = "I64",
        ["IntStorage"] = "I32",
        ["ShortStorage"] = "I16",
        ["CharStorage"] = "I8",
        ["ByteStorage"] = "U8",
        ["BoolStorage"] = "BOOL",
        ["ComplexFloatStorage"] = "C64",
    };

    private static readonly Dictionary<string, string> TypeNames = new()
    {
        ["float64"] = "F64",
        ["double"] = "F64",
        ["float32"] = "F32",
        ["float"] = "F32",
        ["float16"] = "F16",
        ["half"] = "F16",
        ["bfloat16"] = "BF16",
        ["int64"] = "I64",
        ["long"] = "I64",
        ["int32"] = "I32",
        ["int"] = "I32",
        ["int16"] = "I16",
        ["short"] = "I16",
        ["int8"] = "I8",
        ["uint8"] = "U8",
        ["uint16"] = "U16",
        ["uint32"] = "U32",
        ["uint64"] = "U64",
        ["bool"] = "BOOL",
        ["complex64"] = "C64",
        ["float8_e4m3fn"] = "F8_E4M3",
        ["float8_e5m2"] = "F8_E5M2",
        ["float8_e8m0fnu"] = "F8_E8M0",
    };

    internal static bool Rebuilds(string function) =>
        function is RebuildTensor or RebuildTensor2 or RebuildTensor3 or RebuildParameter or RebuildParameterWithState or RebuildSubclass;

    /// <summary>The storage that a persistent reference names: ('storage', class, key, device, elements).</summary>
    internal static PickleStorage Storage(object? reference)
    {
        // The sixth value, of files before 1.6, would be a part of another storage; PyTorch stopped writing these in 0.4.
        if (reference is not PickleSequence { Items: ["storage", PickleGlobal type, string key, _, long elements, ..] items }
            || items.Count > 6 || (items.Count == 6 && items[5] is not null))
            throw new PickleException("it refers to something other than a storage");
        if (key.Length is 0 or > 40 || !key.All(char.IsAsciiDigit))
            throw new PickleException($"it names the storage {Quote.Name(key)} where a number was expected");
        if (elements < 0) throw new PickleException($"its storage {key} has {elements} elements");
        SafetensorsType? elementType = StorageType(type);
        if (elements > long.MaxValue / (elementType?.Bytes ?? 1))
            throw new PickleException($"its storage {key} has more elements than can be counted");
        return new PickleStorage(key, elementType, elements);
    }

    /// <summary>The tensor that a call would rebuild.</summary>
    internal static PickleTensor Rebuild(string function, PickleSequence arguments, CheckpointLimits limits)
    {
        switch (function, arguments.Items)
        {
            case (RebuildParameter or RebuildParameterWithState, [PickleTensor tensor, ..]):
                return tensor;
            case (RebuildSubclass, [PickleGlobal inner, _, PickleSequence innerArguments, ..]) when inner.ToString() is RebuildTensor2 or RebuildTensor3 or RebuildParameter:
                return Rebuild(inner.ToString(), innerArguments, limits);
            case (RebuildTensor or RebuildTensor2, [PickleStorage { Type: { } type } storage, long offset, PickleSequence shape, PickleSequence strides, ..]):
                return View(storage, type, storage.Elements, offset, shape, strides, limits);
            case (RebuildTensor3, [PickleStorage storage, long offset, PickleSequence shape, PickleSequence strides, _, _, PickleGlobal named, ..]):
                SafetensorsType stored = NamedType(named);
                return View(storage, stored, storage.Elements * (storage.Type?.Bytes ?? 1) / stored.Bytes, offset, shape, strides, limits);
            default:
                throw new PickleException($"it rebuilds a tensor by {function} from something other than a storage, an offset, a shape and strides");
        }
    }

    private static PickleTensor View(
        PickleStorage storage,
        SafetensorsType type,
        long elements,
        long offset,
        PickleSequence sizes,
        PickleSequence steps,
        CheckpointLimits limits)
    {
        if (sizes.Items.Count > limits.Rank)
            throw new PickleException($"it holds a tensor of {sizes.Items.Count} dimensions where at most {limits.Rank} are accepted");
        if (sizes.Items.Count != steps.Items.Count)
            throw new PickleException($"it holds a tensor of {sizes.Items.Count} dimensions but {steps.Items.Count} strides");
        long[] shape = Integers(sizes, "size"), strides = Integers(steps, "stride");
        if (offset < 0) throw new PickleException($"it holds a tensor that begins at {offset}, before its storage");
        if (Sizes.Bytes(shape, type.Bytes) < 0)
            throw new PickleException($"it holds a tensor of shape {Sizes.Text(shape)}, which has more elements than can be counted");
        if (!shape.Contains(0))
        {
            Int128 last = offset;
            for (int i = 0; i < shape.Length && last < elements; i++) last += (Int128)(shape[i] - 1) * strides[i];
            if (last >= elements)
                throw new PickleException($"it holds a tensor of shape {Sizes.Text(shape)} that ends outside of the {elements} elements of its storage {storage.Key}");
        }
        return new PickleTensor(storage, type, offset, shape, strides);
    }

    private static long[] Integers(PickleSequence sequence, string what)
    {
        var values = new long[sequence.Items.Count];
        for (int i = 0; i < values.Length; i++)
        {
            if (sequence.Items[i] is not long value) throw new PickleException($"it holds a tensor with a {what} that is no 64-bit integer");
            if (value < 0) throw new PickleException($"it holds a tensor with the negative {what} {value}");
            values[i] = value;
        }
        return values;
    }

    // torch.FloatStorage, torch.cuda.FloatStorage, torch.storage.UntypedStorage
    private static SafetensorsType? StorageType(PickleGlobal type)
    {
        if (type.Module is "torch" or "torch.storage" or "torch.cuda")
        {
            if (type.Name == "UntypedStorage") return null;
            if (StorageTypes.TryGetValue(type.Name, out string? name)) return SafetensorsType.Find(name)!;
        }
        throw new PickleException($"it holds a storage of the type {Quote.Name(type.ToString())}, which is not supported");
    }

    private static SafetensorsType NamedType(PickleGlobal type) => type.Module == "torch" && TypeNames.TryGetValue(type.Name, out string? name)
        ? SafetensorsType.Find(name)!
        : throw new PickleException($"it holds a tensor of the type {Quote.Name(type.ToString())}, which is not supported");
}
