namespace Mural.LinFusion;

/// <summary>Cuts tokens into chunks, so that what is computed of them on the way takes the memory of one chunk, however many there are.</summary>
internal static class TokenChunks
{
    /// <summary>Tokens of a chunk: enough for products at full speed, few enough to stay near the processor.</summary>
    internal const long Size = 4096;

    /// <summary>The chunks in order; the last may be shorter.</summary>
    internal static IEnumerable<(long Start, long Count)> Of(long tokens, long size = Size)
    {
        for (long start = 0; start < tokens; start += size) yield return (start, Math.Min(size, tokens - start));
    }
}
