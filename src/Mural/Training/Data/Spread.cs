namespace Mural.Training.Data;

/// <summary>Choices from all over a list.</summary>
internal static class Spread
{
    /// <summary>At most <paramref name="count"/> entries at even distances, always the same ones.</summary>
    internal static T[] Over<T>(IReadOnlyList<T> entries, int count)
    {
        int taken = Math.Min(count, entries.Count);
        return [.. Enumerable.Range(0, taken).Select(i => entries[(int)((long)i * entries.Count / taken)])];
    }
}
