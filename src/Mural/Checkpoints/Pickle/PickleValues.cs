namespace Mural.Checkpoints.Pickle;

// What a pickle can hold, besides null, bool, long, BigInteger, double, string and byte[]: data without behaviour.

/// <summary>A Python list, tuple or set.</summary>
internal sealed class PickleSequence
{
    private List<object?>? _items;

    internal PickleSequence() { }

    internal PickleSequence(List<object?> items) => _items = items;

    internal IReadOnlyList<object?> Items => _items ?? (IReadOnlyList<object?>)[];

    internal void Add(ReadOnlySpan<object?> items) => (_items ??= []).AddRange(items);
}

/// <summary>
/// A Python dictionary, or an object of another class of which only the class, the constructor's arguments and what was set like dictionary items are
/// known. Keys may repeat; the last one counts.
/// </summary>
internal sealed class PickleObject
{
    private List<KeyValuePair<object?, object?>>? _items;

    private PickleObject(PickleGlobal? type, PickleSequence? arguments)
    {
        Type = type;
        Arguments = arguments;
    }

    /// <summary>The class, or null for a dictionary.</summary>
    internal PickleGlobal? Type { get; }

    internal PickleSequence? Arguments { get; }

    internal IReadOnlyList<KeyValuePair<object?, object?>> Items => _items ?? (IReadOnlyList<KeyValuePair<object?, object?>>)[];

    internal static PickleObject Dictionary() => new(null, null);

    internal static PickleObject Of(PickleGlobal type, PickleSequence arguments) => new(type, arguments);

    // Shared, not copied: a few bytes of pickle could otherwise copy a large dictionary again and again.
    internal void Adopt(PickleObject attributes) => _items = attributes._items;

    internal void Set(object? key, object? value) => (_items ??= []).Add(new(key, value));
}

/// <summary>A class or function by name. It is never resolved to anything.</summary>
internal sealed record PickleGlobal(string Module, string Name)
{
    public override string ToString() => $"{Module}.{Name}";
}

/// <summary>A stored block of numbers that tensors view.</summary>
/// <param name="Key">Its name in the file.</param>
/// <param name="Type">The type of its elements, or null where it is counted in bytes and the tensor says the type.</param>
/// <param name="Elements">How many elements the pickle says it has.</param>
internal sealed record PickleStorage(string Key, SafetensorsType? Type, long Elements);

/// <summary>A tensor: a view on a storage, checked to lie within what the pickle says of the storage.</summary>
internal sealed record PickleTensor(PickleStorage Storage, SafetensorsType Type, long Offset, long[] Shape, long[] Strides);
