using TorchSharp;
using static TorchSharp.torch;

namespace Mural.Layers.Strips;

/// <summary>How a network runs over maps that are looked at some rows at a time.</summary>
internal sealed record StripOptions
{
    /// <summary>Bytes of the rows that a layer works on at once, about: more are faster, up to some tens of megabytes.</summary>
    internal long StripBytes { get; init; } = 32 << 20;

    /// <summary>Folder for maps that shall not be in memory; null keeps all in memory.</summary>
    internal string? Folder { get; init; }

    /// <summary>Stops between strips.</summary>
    internal CancellationToken Cancellation { get; init; }
}

/// <summary>
/// Runs layers over a map strip by strip. Every layer sees the rows around its strip that it needs, and norms the statistics of the whole map, so that the result is that of the
/// whole map but for rounding. It owns every map that it creates: whoever is done with one disposes of it, and a run that ends early leaves the rest to the runner.
/// </summary>
/// <param name="type">Type of the computation.</param>
/// <param name="device">Where it runs.</param>
/// <param name="options">How.</param>
internal sealed class StripRunner(ScalarType type, Device device, StripOptions options) : IDisposable
{
    private readonly List<FeatureMap> _created = [];

    internal ScalarType Type => type;

    internal Device Device => device;

    /// <summary>A new map.</summary>
    internal WritableMap Create(long height, long width, long channels) => options.Folder is { } folder
        ? CreateOnDisk(folder, height, width, channels)
        : Owned(new MemoryMap(height, width, channels, type, device));

    /// <summary>A new map that is not in memory.</summary>
    internal WritableMap CreateOnDisk(string folder, long height, long width, long channels) => Owned(new DiskMap(folder, height, width, channels, type));

    public void Dispose()
    {
        foreach (FeatureMap map in _created) map.Dispose();
    }

    /// <summary>Rows of a map of so many channels that make a strip.</summary>
    internal long StripRows(long width, long channels) => Math.Max(1, options.StripBytes / (width * channels * type.ElementSize()));

    /// <summary>All strips of a map.</summary>
    internal IEnumerable<(long First, long Count)> Strips(long height, long width, long channels) => Strips(height, StripRows(width, channels));

    /// <summary>All strips of so many rows.</summary>
    internal IEnumerable<(long First, long Count)> Strips(long height, long strip)
    {
        for (long first = 0; first < height; first += strip)
        {
            options.Cancellation.ThrowIfCancellationRequested();
            yield return (first, Math.Min(strip, height - first));
        }
    }

    /// <summary>A convolution of a normalised map. The input is freed unless it is also the addend.</summary>
    /// <param name="input">The map.</param>
    /// <param name="layer">The convolution.</param>
    /// <param name="norm">Its norm, or null for none.</param>
    /// <param name="finish">Changes the result's rows, given the first of them; null for nothing.</param>
    /// <param name="into">Where the result goes; null for a new map.</param>
    internal WritableMap Convolve(FeatureMap input, Conv2d layer, GroupNorm? norm = null, Func<long, Tensor, Tensor>? finish = null, WritableMap? into = null)
    {
        (long height, long width) = OutputSize(input, layer);
        WritableMap output = into ?? Create(height, width, layer.WeightShape[0]);
        output.Restart();
        Stream(input, layer, norm, (first, rows) => output.Write(first, finish?.Invoke(first, rows) ?? rows));
        return output;
    }

    /// <summary>The same, for somebody who takes the rows as they come, from the first to the last.</summary>
    internal void Stream(FeatureMap input, Conv2d layer, GroupNorm? norm, Action<long, Tensor> take)
    {
        (long height, long width) = OutputSize(input, layer);
        using MapNorm? known = norm?.Of(input.Moments);
        long channels = layer.WeightShape[0], strip = StripRows(width, Math.Max(input.Channels, channels));
        using var output = new ComputedMap(height, width, channels, strip, (first, count) => Convolved(input, layer, known, first, count));
        Stream(output, strip, take);
    }

    /// <summary>A map's rows, so many at once, for somebody who takes them as they come, from the first to the last.</summary>
    internal void Stream(FeatureMap map, long strip, Action<long, Tensor> take)
    {
        foreach ((long first, long count) in Strips(map.Height, strip))
        {
            using DisposeScope scope = NewDisposeScope();
            take(first, map.Rows(first, count));
        }
    }

    /// <summary>A convolution of a map that is computed when it is looked at, and owns its source.</summary>
    internal ComputedMap Convolution(FeatureMap input, Conv2d layer)
    {
        (long height, long width) = OutputSize(input, layer);
        long channels = layer.WeightShape[0];
        return new ComputedMap(height, width, channels, StripRows(width, channels), (first, count) => Convolved(input, layer, null, first, count), input);
    }

    /// <summary>A map computed once and kept, some rows at a time; it is freed.</summary>
    /// <param name="map">The map.</param>
    /// <param name="strip">Rows that are computed at once.</param>
    internal WritableMap Keep(FeatureMap map, long strip)
    {
        using FeatureMap computed = map;
        WritableMap kept = Create(map.Height, map.Width, map.Channels);
        Stream(computed, strip, kept.Write);
        return kept;
    }

    /// <summary>A map enlarged to a size, each position taking the nearest one's values; it is computed when it is looked at, and owns its source.</summary>
    internal ComputedMap Nearest(FeatureMap input, long height, long width)
    {
        float down = (float)input.Height / height;
        bool doubles = height == 2 * input.Height && width == 2 * input.Width;
        long Source(long row) => doubles ? row / 2 : Math.Min((long)MathF.Floor(row * down), input.Height - 1);
        return new ComputedMap(height, width, input.Channels, StripRows(width, input.Channels), Rows, input);

        Tensor Rows(long first, long count)
        {
            using DisposeScope scope = NewDisposeScope();
            long begin = Source(first), end = Source(first + count - 1) + 1;
            Tensor rows = input.Rows(begin, end - begin);
            if (doubles) return nn.functional.upsample_nearest2d(rows, [2 * (end - begin), width]).narrow(2, first - 2 * begin, count).MoveToOuterDisposeScope();
            Tensor wide = nn.functional.upsample_nearest2d(rows, [end - begin, width]);
            Tensor sources = tensor(Enumerable.Range(0, (int)count).Select(row => Source(first + row) - begin).ToArray(), device: device);
            return wide.index_select(2, sources).MoveToOuterDisposeScope();
        }
    }

    /// <summary>Some rows of a convolution. Shape: `[1, C, count, W]`.</summary>
    internal static Tensor Convolved(FeatureMap input, Conv2d layer, MapNorm? norm, long first, long count)
    {
        using DisposeScope scope = NewDisposeScope();
        if (layer.Kernel == 1) return layer.forward(Normalised(input.Rows(first, count), norm)).MoveToOuterDisposeScope();
        Tensor rows = WithBorder(
            (begin, size) => Normalised(input.Rows(begin, size), norm), input.Height, layer.Stride * first - layer.Padding, layer.Stride * (count - 1) + layer.Extent);
        // A layer of no padding pads on the far sides.
        return layer.OfRows(layer.Padding == 0 ? nn.functional.pad(rows, (0, 1, 0, 0)) : rows).MoveToOuterDisposeScope();
    }

    /// <summary>Rows of a map with zeros where there are none: above its first and below its last.</summary>
    /// <param name="rows">Gives rows that are there.</param>
    /// <param name="height">How many there are.</param>
    /// <param name="first">The first wanted, may be negative.</param>
    /// <param name="count">How many are wanted.</param>
    internal static Tensor WithBorder(Func<long, long, Tensor> rows, long height, long first, long count)
    {
        long begin = Math.Max(0, first), end = Math.Min(height, first + count);
        Tensor there = rows(begin, end - begin);
        long above = begin - first, below = first + count - end;
        return above == 0 && below == 0 ? there : nn.functional.pad(there, (0, 0, above, below)).ForConvolution();
    }

    private WritableMap Owned(WritableMap map)
    {
        _created.Add(map);
        return map;
    }

    // Layers of no padding but a kernel are those that halve with zeros on the far sides only.
    private static (long Height, long Width) OutputSize(FeatureMap input, Conv2d layer)
    {
        if (layer.Kernel == 1) return (input.Height, input.Width);
        long padding = layer.Padding == 0 ? 1 : 2 * layer.Padding;
        return ((input.Height + padding - layer.Extent) / layer.Stride + 1, (input.Width + padding - layer.Extent) / layer.Stride + 1);
    }

    private static Tensor Normalised(Tensor rows, MapNorm? norm) => norm?.Apply(rows) ?? rows;
}
