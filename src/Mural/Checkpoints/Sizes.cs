namespace Mural.Checkpoints;

/// <summary>Arithmetic on shapes that come from a file and may be anything.</summary>
internal static class Sizes
{
    /// <summary>The bytes of a tensor of non-negative sizes, or -1 where they are too many for 63 bits.</summary>
    internal static long Bytes(ReadOnlySpan<long> shape, int elementBytes)
    {
        long bytes = elementBytes;
        // A size of 0 makes everything 0, however large the others are.
        if (shape.Contains(0)) return 0;
        foreach (long size in shape)
        {
            if (bytes > long.MaxValue / size) return -1;
            bytes *= size;
        }
        return bytes;
    }

    /// <summary>A shape as it is written in messages.</summary>
    internal static string Text(ReadOnlySpan<long> shape) => $"[{string.Join(", ", shape.ToArray())}]";
}
