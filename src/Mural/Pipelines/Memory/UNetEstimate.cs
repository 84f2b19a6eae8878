using Mural.Attention;
using Mural.HiDiffusion;
using Mural.UNet;

namespace Mural.Pipelines;

/// <summary>What one call of a UNet takes beside its weights: a walk over its layers that counts the maps which are alive together, as the layers hold them.</summary>
/// <param name="config">The network.</param>
/// <param name="mixing">How its self-attentions go over their tokens.</param>
/// <param name="mode">How it runs.</param>
/// <param name="step">What HiDiffusion does, which runs on whole maps only, or null.</param>
internal sealed class UNetEstimate(UNetConfig config, TokenMixing mixing, MemoryMode mode, HiDiffusionStep? step = null)
{
    // Rows of a strip, normalised in float32 and in the run's type, and what comes out.
    private const double StripCopies = 6;

    // Feed-forward: norms and attentions of the block before it, and within it eight times the channels, four and one.
    private const double BlockMaps = 5, FeedForwardMaps = 13;

    private readonly LiveBytes _live = new();
    private readonly Stack<(int Channels, MapSize Map)> _skips = new();
    private double _batch, _bytes;

    /// <summary>The most bytes of one call.</summary>
    /// <param name="map">Size of the latents.</param>
    /// <param name="batch">Latents that run together.</param>
    /// <param name="elementBytes">Bytes of a number.</param>
    /// <param name="stripBytes">Bytes of a strip.</param>
    internal double Run(MapSize map, double batch, int elementBytes, double stripBytes)
    {
        (_batch, _bytes) = (batch, batch * elementBytes);
        IReadOnlyList<int> channels = config.BlockOutChannels;
        int last = channels.Count - 1, before = channels[0];
        if (mode != MemoryMode.Whole) _live.Hold(StripCopies * stripBytes);
        _skips.Push((before, map));
        // A skip in memory is the map itself, one on the disk a copy.
        if (mode != MemoryMode.Disk) _live.Hold(Bytes(before, map));
        double own = mode == MemoryMode.Disk ? Bytes(before, map) : 0;
        _live.Hold(own);
        for (int level = 0; level <= last; level++)
        {
            for (int i = 0; i < config.LayersPerBlock[level]; i++)
            {
                Resnet(before, channels[level], map, inPlace: mode == MemoryMode.Disk);
                Take(channels[level], map, ref own);
                if (config.DownBlockAttention[level]) Transformer(channels[level], map);
                if (i == 0 && step?.PooledLevel == level)
                {
                    map = map.Halved;
                    _live.Need(Bytes(channels[level], map));
                    Take(channels[level], map, ref own);
                }
                Keep(channels[level], map, ref own);
                before = channels[level];
            }
            if (level == last) continue;
            map = step?.StridedLevel == level ? map.Halved.Halved : map.Halved;
            _live.Need(Bytes(before, map));
            Take(before, map, ref own);
            Keep(before, map, ref own);
        }
        Resnet(before, before, map, inPlace: mode == MemoryMode.Disk);
        _live.Hold(Bytes(before, map) - own);
        Transformer(before, map);
        Resnet(before, before, map, inPlace: mode != MemoryMode.Whole);
        for (int level = last; level >= 0; level--) (before, map) = Up(level, before, map);
        _live.Need(mode == MemoryMode.Whole ? Bytes(before, map) + Bytes(config.OutChannels, map) : 0);
        return _live.Peak;
    }

    /// <summary>Bytes of all maps of the way down that the way up joins.</summary>
    internal static double SkipBytes(UNetConfig config, MapSize map, double elementBytes)
    {
        double sum = config.BlockOutChannels[0] * map.Count;
        for (int level = 0; level < config.BlockOutChannels.Count; level++)
        {
            int channels = config.BlockOutChannels[level];
            sum += config.LayersPerBlock[level] * channels * map.Count;
            map = map.Halved;
            if (level < config.BlockOutChannels.Count - 1) sum += channels * map.Count;
        }
        return sum * elementBytes;
    }

    private (int Channels, MapSize Map) Up(int level, int before, MapSize map)
    {
        int own = config.BlockOutChannels[level];
        bool attends = config.UpBlockAttention[config.BlockOutChannels.Count - 1 - level];
        // What comes from below is alive until the whole level is done, where maps are whole.
        double below = mode == MemoryMode.Whole ? Bytes(before, map) : 0;
        for (int i = 0; i <= config.LayersPerBlock[level]; i++)
        {
            MapSize from = map;
            (int skip, map) = _skips.Pop();
            int joined = before + skip;
            if (mode == MemoryMode.Whole)
            {
                _live.Need(Bytes(joined, map));
                _live.Hold(Bytes(joined, map) - Bytes(skip, map) - (i == 0 ? 0 : Bytes(before, from)));
                Resnet(joined, own, map, inPlace: false);
                _live.Hold(Bytes(own, map) - Bytes(joined, map));
            }
            else
            {
                Resnet(joined, own, map, inPlace: false);
                _live.Hold(Bytes(own, map) - Bytes(before, map) - (mode == MemoryMode.Strips ? Bytes(skip, map) : 0));
            }
            if (attends) Transformer(own, map);
            before = own;
        }
        if (level > 0)
        {
            MapSize larger = _skips.Peek().Map;
            _live.Need(mode == MemoryMode.Whole ? 2 * Bytes(own, larger) : Bytes(own, larger));
            _live.Hold(Bytes(own, larger) - Bytes(own, map));
            map = larger;
        }
        _live.Hold(-below);
        return (own, map);
    }

    private void Resnet(int inputs, int outputs, MapSize map, bool inPlace)
    {
        bool changes = inputs != outputs;
        if (mode == MemoryMode.Whole) _live.Need(Bytes(inputs, map) + (changes ? 4 : 3) * Bytes(outputs, map));
        else _live.Need((inPlace && !changes ? 1 : 2) * Bytes(outputs, map));
    }

    private void Transformer(int channels, MapSize size)
    {
        double map = Bytes(channels, size);
        if (mode == MemoryMode.Whole) _live.Need((2 + BlockMaps + FeedForwardMaps) * map);
        // The tokens, of softmax with keys and values and those packed for their products.
        else _live.Need((mixing.IsLinear ? 1 : 5) * map);
        // The tokens and those normalised, and of whole maps the map itself.
        if (mixing.MapsAtOnce > 0) _live.Need((mode == MemoryMode.Whole ? 3 : 2) * map + mixing.MapsAtOnce * sizeof(float) * channels * size.Count * _batch);
    }

    // Replaces the map that goes on.
    private void Take(int channels, MapSize map, ref double own)
    {
        _live.Hold(-own);
        own = Bytes(channels, map);
        _live.Hold(own);
    }

    private void Keep(int channels, MapSize map, ref double own)
    {
        _skips.Push((channels, map));
        if (mode != MemoryMode.Disk) own = 0;
    }

    private double Bytes(int channels, MapSize map) => channels * map.Count * _bytes;
}
