namespace Mural.Training.Data;

/// <summary>Choices from all over a list.</summary>
internal static class Spread
{
    /// <summary>At most <paramref name="count"/> entries at even distances, always the same ones.</summary>
    internal static int[] Over(IReadOnlyList<int> rows, int count)
    {
        int taken = Math.Min(count, rows.Count);
        return [.. Enumerable.Range(0, taken).Select(i => rows[(int)((long)i * rows.Count / taken)])];
    }
}
