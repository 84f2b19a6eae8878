namespace Mural.Kernels;

/// <summary>
/// Cuts the tokens of a batch into items of work. The cut depends on the sizes alone, never on the number of threads, so sums over tokens that are taken span
/// by span always have one order.
/// </summary>
internal readonly struct TokenSpans(int batch, int length)
{
    /// <summary>Tokens of a span; the last of a sample may have fewer.</summary>
    internal const int Longest = 64;

    /// <summary>Spans of one sample.</summary>
    internal int PerSample { get; } = (length + Longest - 1) / Longest;

    /// <summary>Spans of all samples.</summary>
    internal int Items => batch * PerSample;

    /// <summary>The tokens of an item: from <c>Start</c> up to, but not including, <c>End</c>.</summary>
    internal (int Sample, int Start, int End) Of(int item)
    {
        int start = item % PerSample * Longest;
        return (item / PerSample, start, Math.Min(start + Longest, length));
    }
}
