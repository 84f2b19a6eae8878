namespace Mural.Pipelines;

/// <summary>What a computation holds while it goes on, and the most that it held.</summary>
internal sealed class LiveBytes
{
    private double _live;

    /// <summary>The most so far.</summary>
    internal double Peak { get; private set; }

    /// <summary>Multiply-adds so far.</summary>
    internal double MultiplyAdds { get; private set; }

    /// <summary>Holds more from now on; a negative number lets go.</summary>
    internal void Hold(double bytes)
    {
        _live += bytes;
        Peak = Math.Max(Peak, _live);
    }

    /// <summary>Needs more for a moment.</summary>
    internal void Need(double bytes) => Peak = Math.Max(Peak, _live + bytes);

    internal void Multiply(double multiplyAdds) => MultiplyAdds += multiplyAdds;
}
