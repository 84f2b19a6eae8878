namespace Mural.Runtime;

/// <summary>Frees what was loaded so far when the rest cannot be.</summary>
internal sealed class PartialLoad : IDisposable
{
    private readonly Stack<IDisposable> _parts = new();

    /// <summary>Counts a part among those that are freed unless <see cref="Complete"/> is called.</summary>
    internal T Add<T>(T part) where T : IDisposable
    {
        _parts.Push(part);
        return part;
    }

    /// <summary>Everything is there: the parts are their owner's now.</summary>
    internal void Complete() => _parts.Clear();

    public void Dispose()
    {
        while (_parts.TryPop(out IDisposable? part)) part.Dispose();
    }
}
