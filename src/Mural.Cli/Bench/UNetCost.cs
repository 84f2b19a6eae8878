using Mural.Attention;
using Mural.HiDiffusion;
using Mural.UNet;

namespace Mural.Cli.Bench;

/// <summary>Counts the work of a UNet from its configuration, with and without HiDiffusion.</summary>
internal sealed class UNetCost
{
    private const int Kernel = 3 * 3;

    private readonly UNetConfig _config;
    private readonly int _textTokens;
    private readonly HiDiffusionStep? _step;
    private double _multiplyAdds;

    private UNetCost(UNetConfig config, int textTokens, HiDiffusionStep? step) => (_config, _textTokens, _step) = (config, textTokens, step);

    /// <summary>
    /// Floating-point operations (a multiplication and an addition are two) of convolutions, linears and attention in one pass over one picture. What does not depend on the
    /// map (the time's embedding, keys and values of the text) is not counted.
    /// </summary>
    /// <param name="config">The network.</param>
    /// <param name="map">Size of the latents.</param>
    /// <param name="textTokens">Tokens of the text.</param>
    /// <param name="step">What HiDiffusion does, or null.</param>
    internal static double Forward(UNetConfig config, MapSize map, int textTokens, HiDiffusionStep? step = null)
    {
        var cost = new UNetCost(config, textTokens, step);
        cost.Walk(map);
        return 2 * cost._multiplyAdds;
    }

    private void Walk(MapSize map)
    {
        IReadOnlyList<int> channels = _config.BlockOutChannels;
        var skips = new Stack<(int Channels, MapSize Map)>();
        Convolution(_config.InChannels, channels[0], map);
        skips.Push((channels[0], map));
        for (int level = 0; level < channels.Count; level++)
        {
            for (int i = 0; i < _config.LayersPerBlock[level]; i++)
            {
                Resnet(skips.Peek().Channels, channels[level], map);
                if (_config.DownBlockAttention[level]) Transformer(BlockPath.Down, level, i, map);
                if (i == 0 && _step?.PooledLevel == level) map = Halved(map);
                skips.Push((channels[level], map));
            }
            if (level == channels.Count - 1) continue;
            map = _step?.StridedLevel == level ? Halved(Halved(map)) : Halved(map);
            Convolution(channels[level], channels[level], map);
            skips.Push((channels[level], map));
        }
        int below = channels[^1];
        Resnet(below, below, map);
        Transformer(BlockPath.Middle, channels.Count - 1, 0, map);
        Resnet(below, below, map);
        for (int level = channels.Count - 1; level >= 0; level--)
        {
            for (int i = 0; i <= _config.LayersPerBlock[level]; i++)
            {
                (int skip, map) = skips.Pop();
                Resnet(below + skip, channels[level], map);
                below = channels[level];
                if (_config.UpBlockAttention[channels.Count - 1 - level]) Transformer(BlockPath.Up, level, i, map);
            }
            if (level > 0) Convolution(below, below, map = skips.Peek().Map);
        }
        Convolution(below, _config.OutChannels, map);
    }

    private void Convolution(int from, int to, MapSize map) => _multiplyAdds += Kernel * (double)from * to * map.Height * map.Width;

    private void Resnet(int from, int to, MapSize map)
    {
        Convolution(from, to, map);
        Convolution(to, to, map);
        if (from != to) _multiplyAdds += (double)from * to * map.Height * map.Width;
    }

    // Projections in and out; then for each block queries, keys, values and output, queries and output of cross-attention, and the feed-forward (8 and 4 times the width).
    private void Transformer(BlockPath path, int level, int index, MapSize map)
    {
        double width = _config.BlockOutChannels[level], tokens = (double)map.Height * map.Width;
        int depth = _config.TransformerLayers[level];
        _multiplyAdds += tokens * width * width * (2 + depth * (4 + 2 + 8 + 4));
        for (int block = 0; block < depth; block++)
        {
            bool windowed = _step?.Windows.ContainsKey(new BlockPlace(path, level, index, block)) == true;
            double keys = windowed ? tokens / 4 : tokens;
            _multiplyAdds += 2 * tokens * (keys + _textTokens) * width;
        }
    }

    private static MapSize Halved(MapSize map) => new((map.Height + 1) / 2, (map.Width + 1) / 2);
}
