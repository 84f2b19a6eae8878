using Mural.Attention;
using Mural.HiDiffusion;

namespace Mural.UNet;

/// <summary>
/// Counts the multiply-adds of a network from its configuration: those of convolutions, linears and attention for one picture. What does not depend on the map (the time's
/// embedding, keys and values of the text) is not counted.
/// </summary>
internal sealed class UNetCost
{
    private const int Kernel = 3 * 3;

    private readonly UNetConfig _config;
    private readonly int _textTokens;
    private readonly bool _linear;
    private readonly HiDiffusionStep? _step;
    private readonly Stack<(int Channels, MapSize Map)> _skips = new();
    private double _multiplyAdds;

    private UNetCost(UNetConfig config, int textTokens, bool linear, HiDiffusionStep? step) => (_config, _textTokens, _linear, _step) = (config, textTokens, linear, step);

    /// <summary>One call of a UNet.</summary>
    /// <param name="config">The network.</param>
    /// <param name="map">Size of the latents.</param>
    /// <param name="textTokens">Tokens of the text.</param>
    /// <param name="linear">Whether its self-attentions are LinFusion's.</param>
    /// <param name="step">What HiDiffusion does, or null.</param>
    internal static double Forward(UNetConfig config, MapSize map, int textTokens, bool linear = false, HiDiffusionStep? step = null)
    {
        var cost = new UNetCost(config, textTokens, linear, step);
        cost.Up(cost.Down(map));
        return cost._multiplyAdds;
    }

    /// <summary>One call of a ControlNet.</summary>
    /// <param name="config">The network's way down, as a UNet's configuration.</param>
    /// <param name="map">Size of the latents.</param>
    /// <param name="textTokens">Tokens of the text.</param>
    internal static double Control(UNetConfig config, MapSize map, int textTokens)
    {
        var cost = new UNetCost(config, textTokens, linear: false, step: null);
        MapSize lowest = cost.Down(map);
        foreach ((int channels, MapSize skip) in cost._skips) cost.Linear(channels, channels, skip);
        cost.Linear(config.BlockOutChannels[^1], config.BlockOutChannels[^1], lowest);
        return cost._multiplyAdds;
    }

    // To the middle's end.
    private MapSize Down(MapSize map)
    {
        IReadOnlyList<int> channels = _config.BlockOutChannels;
        Convolution(_config.InChannels, channels[0], map);
        _skips.Push((channels[0], map));
        for (int level = 0; level < channels.Count; level++)
        {
            for (int i = 0; i < _config.LayersPerBlock[level]; i++)
            {
                Resnet(_skips.Peek().Channels, channels[level], map);
                if (_config.DownBlockAttention[level]) Transformer(BlockPath.Down, level, i, map);
                if (i == 0 && _step?.PooledLevel == level) map = map.Halved;
                _skips.Push((channels[level], map));
            }
            if (level == channels.Count - 1) continue;
            map = _step?.StridedLevel == level ? map.Halved.Halved : map.Halved;
            Convolution(channels[level], channels[level], map);
            _skips.Push((channels[level], map));
        }
        Resnet(channels[^1], channels[^1], map);
        Transformer(BlockPath.Middle, channels.Count - 1, 0, map);
        Resnet(channels[^1], channels[^1], map);
        return map;
    }

    private void Up(MapSize map)
    {
        IReadOnlyList<int> channels = _config.BlockOutChannels;
        int below = channels[^1];
        for (int level = channels.Count - 1; level >= 0; level--)
        {
            for (int i = 0; i <= _config.LayersPerBlock[level]; i++)
            {
                (int skip, map) = _skips.Pop();
                Resnet(below + skip, channels[level], map);
                below = channels[level];
                if (_config.UpBlockAttention[channels.Count - 1 - level]) Transformer(BlockPath.Up, level, i, map);
            }
            if (level > 0) Convolution(below, below, map = _skips.Peek().Map);
        }
        Convolution(below, _config.OutChannels, map);
    }

    private void Linear(int from, int to, MapSize map) => _multiplyAdds += (double)from * to * map.Count;

    private void Convolution(int from, int to, MapSize map) => _multiplyAdds += Kernel * (double)from * to * map.Count;

    private void Resnet(int from, int to, MapSize map)
    {
        Convolution(from, to, map);
        Convolution(to, to, map);
        if (from != to) Linear(from, to, map);
    }

    // Projections in and out; then for each block those of self-attention, queries and output of cross-attention, and the feed-forward (8 and 4 times the width).
    private void Transformer(BlockPath path, int level, int index, MapSize map)
    {
        double width = _config.BlockOutChannels[level], tokens = map.Count;
        for (int block = 0; block < _config.TransformerLayers[level]; block++)
        {
            bool windowed = _step?.Windows.ContainsKey(new BlockPlace(path, level, index, block)) == true;
            _multiplyAdds += tokens * width * width * (2 + 8 + 4) + 2 * tokens * _textTokens * width;
            // Linear attention has perceptrons before queries and keys, and sums of a head's width in the place of keys.
            _multiplyAdds += _linear
                ? tokens * width * (8 * width + 2 * width / _config.AttentionHeads[level] + 1)
                : tokens * width * (4 * width + 2 * (windowed ? tokens / 4 : tokens));
        }
        _multiplyAdds += 2 * tokens * width * width;
    }
}
