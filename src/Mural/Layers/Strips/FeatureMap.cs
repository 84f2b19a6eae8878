using static TorchSharp.torch;

namespace Mural.Layers.Strips;

/// <summary>A feature map of one picture that is looked at some rows at a time, wherever it is kept.</summary>
/// <param name="height">Rows.</param>
/// <param name="width">Columns.</param>
/// <param name="channels">Channels.</param>
internal abstract class FeatureMap(long height, long width, long channels) : IDisposable
{
    internal long Height => height;

    internal long Width => width;

    internal long Channels => channels;

    /// <summary>Means and variances of its channels over all rows.</summary>
    internal abstract ChannelMoments Moments { get; }

    /// <summary>Some rows, which may be a view of the map. Shape: `[1, C, count, W]`.</summary>
    internal abstract Tensor Rows(long first, long count);

    public abstract void Dispose();
}

/// <summary>A map whose rows are written once each, or once more over what they were; what is known of the channels is gathered on the way.</summary>
/// <param name="height">Rows.</param>
/// <param name="width">Columns.</param>
/// <param name="channels">Channels.</param>
internal abstract class WritableMap(long height, long width, long channels) : FeatureMap(height, width, channels)
{
    private readonly int _channels = (int)channels;
    private ChannelMoments _moments = new((int)channels);

    internal override ChannelMoments Moments => _moments;

    /// <summary>Begins to write all rows again.</summary>
    internal void Restart() => _moments = new ChannelMoments(_channels);

    /// <summary>Writes rows from <paramref name="first"/> on. Shape: `[1, C, h, W]`.</summary>
    internal void Write(long first, Tensor rows)
    {
        _moments.Add(rows);
        Store(first, rows);
    }

    private protected abstract void Store(long first, Tensor rows);
}

/// <summary>A map in memory, its pixels' channels side by side.</summary>
internal sealed class MemoryMap : WritableMap
{
    private readonly Tensor _pixels;

    internal MemoryMap(long height, long width, long channels, ScalarType type, Device device) : base(height, width, channels) =>
        _pixels = empty([1, height, width, channels], type, device).DetachFromDisposeScope();

    internal override Tensor Rows(long first, long count) => _pixels.narrow(1, first, count).permute(0, 3, 1, 2);

    private protected override void Store(long first, Tensor rows)
    {
        using Tensor place = _pixels.narrow(1, first, rows.shape[2]), pixels = rows.permute(0, 2, 3, 1);
        place.copy_(pixels);
    }

    public override void Dispose() => _pixels.Dispose();
}

/// <summary>Some rows of a map that are at hand: nothing else of it can be looked at. They belong to somebody else.</summary>
/// <param name="rows">The rows. Shape: `[1, C, h, W]`.</param>
/// <param name="first">The first of them.</param>
/// <param name="height">Rows of the whole map.</param>
internal sealed class RowsAtHand(Tensor rows, long first, long height) : FeatureMap(height, rows.shape[3], rows.shape[1])
{
    internal override ChannelMoments Moments => throw new InvalidOperationException("What is known of some rows says nothing of the whole map.");

    internal override Tensor Rows(long start, long count) => rows.narrow(2, start - first, count);

    public override void Dispose()
    {
    }
}

/// <summary>The channels of two maps of one size side by side; it owns both.</summary>
internal sealed class JoinedMap(FeatureMap first, FeatureMap second) : FeatureMap(first.Height, first.Width, first.Channels + second.Channels)
{
    internal override ChannelMoments Moments { get; } = ChannelMoments.Join(first.Moments, second.Moments);

    internal override Tensor Rows(long start, long count)
    {
        using Tensor one = first.Rows(start, count), other = second.Rows(start, count);
        return cat([one, other], 1);
    }

    public override void Dispose()
    {
        first.Dispose();
        second.Dispose();
    }
}

/// <summary>A map that is computed again whenever rows of it are asked for, instead of being kept.</summary>
/// <param name="height">Rows.</param>
/// <param name="width">Columns.</param>
/// <param name="channels">Channels.</param>
/// <param name="strip">Rows that are computed at once where all are needed.</param>
/// <param name="rows">Computes rows: the first and their number.</param>
/// <param name="source">What it is computed from, which it owns, or null.</param>
internal sealed class ComputedMap(long height, long width, long channels, long strip, Func<long, long, Tensor> rows, IDisposable? source = null)
    : FeatureMap(height, width, channels)
{
    private ChannelMoments? _moments;

    internal override ChannelMoments Moments => _moments ??= Count();

    internal override Tensor Rows(long first, long count) => rows(first, count);

    public override void Dispose() => source?.Dispose();

    private ChannelMoments Count()
    {
        var moments = new ChannelMoments((int)Channels);
        for (long first = 0; first < Height; first += strip)
        {
            using Tensor some = rows(first, Math.Min(strip, Height - first));
            moments.Add(some);
        }
        return moments;
    }
}
