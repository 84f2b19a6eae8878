namespace Mural.Checkpoints.Pickle;

/// <summary>The stack and memo of a pickle, within limits.</summary>
internal sealed class PickleStack(CheckpointLimits limits)
{
    private readonly List<object?> _values = [];
    private readonly List<int> _marks = [];
    private readonly Dictionary<uint, object?> _memo = [];

    internal int Count => _values.Count;

    internal void Push(object? value)
    {
        if (_values.Count >= limits.PickleStack) throw new PickleException($"it puts more than {limits.PickleStack} values on its stack");
        _values.Add(value);
    }

    // Values below the last mark belong to whoever set it.
    internal object? Pop()
    {
        if (_values.Count <= Floor) throw new PickleException("an instruction finds too few values on the stack");
        object? value = _values[^1];
        _values.RemoveAt(_values.Count - 1);
        return value;
    }

    internal object? Peek() => _values.Count > Floor ? _values[^1] : throw new PickleException("an instruction finds too few values on the stack");

    internal T Pop<T>(string what) where T : class => Pop() as T ?? throw new PickleException($"an instruction finds something else where {what} should be");

    internal T Peek<T>(string what) where T : class => Peek() as T ?? throw new PickleException($"an instruction finds something else where {what} should be");

    internal void Mark()
    {
        if (_marks.Count >= limits.PickleStack) throw new PickleException($"it sets more than {limits.PickleStack} marks");
        _marks.Add(_values.Count);
    }

    /// <summary>Takes everything above the last mark, and the mark.</summary>
    internal List<object?> PopToMark()
    {
        if (_marks.Count == 0) throw new PickleException("an instruction finds no mark on the stack");
        int start = _marks[^1];
        _marks.RemoveAt(_marks.Count - 1);
        List<object?> values = _values.GetRange(start, _values.Count - start);
        _values.RemoveRange(start, values.Count);
        return values;
    }

    internal void Remember(uint slot)
    {
        _memo[slot] = Peek();
        if (_memo.Count > limits.PickleMemo) throw new PickleException($"it remembers more than {limits.PickleMemo} objects");
    }

    internal void Memoize() => Remember((uint)_memo.Count);

    internal object? Recall(uint slot) =>
        _memo.TryGetValue(slot, out object? value) ? value : throw new PickleException($"it recalls the object {slot}, which was never remembered");

    private int Floor => _marks.Count == 0 ? 0 : _marks[^1];
}
