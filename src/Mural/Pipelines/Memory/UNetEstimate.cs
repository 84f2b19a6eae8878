using Mural.UNet;

namespace Mural.Pipelines;

/// <summary>
/// What one call of a UNet takes beside its weights: a walk over its layers that counts the maps which are alive together, as the layers hold them, and the multiply-adds.
/// </summary>
/// <param name="config">The network.</param>
/// <param name="mixing">How its self-attentions go over their tokens.</param>
/// <param name="mode">How it runs.</param>
internal sealed class UNetEstimate(UNetConfig config, TokenMixing mixing, MemoryMode mode)
{
    // Rows of a strip, normalised in float32 and in the run's type, and what comes out.
    private const double StripCopies = 6;

    // Feed-forward: norms and attentions of the block before it, and within it eight times the channels, four and one.
    private const double BlockMaps = 5, FeedForwardMaps = 13;

    private const int TextTokens = 77;

    private readonly LiveBytes _live = new();
    private double _height, _width, _batch, _bytes;

    /// <summary>Bytes and multiply-adds of one call.</summary>
    /// <param name="height">Rows of the latent.</param>
    /// <param name="width">Columns of the latent.</param>
    /// <param name="batch">Latents that run together.</param>
    /// <param name="elementBytes">Bytes of a number.</param>
    /// <param name="stripBytes">Bytes of a strip.</param>
    internal LiveBytes Run(double height, double width, double batch, int elementBytes, double stripBytes)
    {
        (_height, _width, _batch, _bytes) = (height, width, batch, batch * elementBytes);
        IReadOnlyList<int> channels = config.BlockOutChannels;
        int last = channels.Count - 1;
        var skips = new Stack<(int Channels, int Level)>();
        if (mode != MemoryMode.Whole) _live.Hold(StripCopies * stripBytes);
        Convolve(config.InChannels, channels[0], 0, 3);
        Keep(skips, channels[0], 0);
        double own = mode == MemoryMode.Disk ? Map(channels[0], 0) : 0;
        int before = channels[0];
        _live.Hold(own);
        for (int level = 0; level <= last; level++)
        {
            for (int i = 0; i < config.LayersPerBlock[level]; i++)
            {
                Resnet(before, channels[level], level, inPlace: mode == MemoryMode.Disk);
                _live.Hold(-own);
                own = Map(channels[level], level);
                _live.Hold(own);
                if (config.DownBlockAttention[level]) Transformer(channels[level], level);
                Kept(skips, channels[level], level, ref own);
                before = channels[level];
            }
            if (level == last) continue;
            Convolve(before, before, level + 1, 3);
            _live.Need(Map(before, level + 1));
            _live.Hold(-own);
            own = Map(before, level + 1);
            _live.Hold(own);
            Kept(skips, before, level + 1, ref own);
        }
        Resnet(before, before, last, inPlace: mode == MemoryMode.Disk);
        _live.Hold(Map(before, last) - own);
        Transformer(before, last);
        Resnet(before, before, last, inPlace: mode != MemoryMode.Whole);
        for (int level = last; level >= 0; level--) before = Up(level, before, skips);
        _live.Need(mode == MemoryMode.Whole ? Map(before, 0) + Map(config.OutChannels, 0) : 0);
        Convolve(before, config.OutChannels, 0, 3);
        return _live;
    }

    /// <summary>Bytes of all maps of the way down that the way up joins.</summary>
    internal double SkipBytes(double height, double width, int elementBytes)
    {
        (_height, _width, _batch, _bytes) = (height, width, 1, elementBytes);
        int last = config.BlockOutChannels.Count - 1;
        return Map(config.BlockOutChannels[0], 0)
            + config.BlockOutChannels.Select((channels, level) => config.LayersPerBlock[level] * Map(channels, level) + (level < last ? Map(channels, level + 1) : 0)).Sum();
    }

    private int Up(int level, int before, Stack<(int Channels, int Level)> skips)
    {
        int own = config.BlockOutChannels[level];
        bool attends = config.UpBlockAttention[config.BlockOutChannels.Count - 1 - level];
        // What comes from below is alive until the whole level is done, where maps are whole.
        double below = mode == MemoryMode.Whole ? Map(before, level) : 0;
        for (int i = 0; i <= config.LayersPerBlock[level]; i++)
        {
            (int skip, _) = skips.Pop();
            int joined = before + skip;
            if (mode == MemoryMode.Whole)
            {
                _live.Need(Map(joined, level));
                _live.Hold(Map(joined, level) - Map(skip, level) - (i == 0 ? 0 : Map(before, level)));
                Resnet(joined, own, level, inPlace: false);
                _live.Hold(Map(own, level) - Map(joined, level));
            }
            else
            {
                Resnet(joined, own, level, inPlace: false);
                _live.Hold(Map(own, level) - Map(before, level) - (mode == MemoryMode.Strips ? Map(skip, level) : 0));
            }
            if (attends) Transformer(own, level);
            before = own;
        }
        if (level > 0)
        {
            _live.Need(mode == MemoryMode.Whole ? 2 * Map(own, level - 1) : Map(own, level - 1));
            Convolve(own, own, level - 1, 3);
            _live.Hold(Map(own, level - 1) - Map(own, level));
        }
        _live.Hold(-below);
        return own;
    }

    private void Resnet(int inputs, int outputs, int level, bool inPlace)
    {
        bool changes = inputs != outputs;
        if (mode == MemoryMode.Whole) _live.Need(Map(inputs, level) + (changes ? 4 : 3) * Map(outputs, level));
        else _live.Need((inPlace && !changes ? 1 : 2) * Map(outputs, level));
        Convolve(inputs, outputs, level, 3);
        Convolve(outputs, outputs, level, 3);
        if (changes) Convolve(inputs, outputs, level, 1);
    }

    private void Transformer(int channels, int level)
    {
        double map = Map(channels, level), tokens = Positions(level);
        int depth = config.TransformerLayers[level];
        if (mode == MemoryMode.Whole) _live.Need((2 + BlockMaps + FeedForwardMaps) * map);
        // The tokens, of softmax with keys and values and those packed for their products.
        else _live.Need((mixing.IsLinear ? 1 : 5) * map);
        // The tokens and those normalised, and of whole maps the map itself.
        if (mixing.MapsAtOnce > 0) _live.Need((mode == MemoryMode.Whole ? 3 : 2) * map + mixing.MapsAtOnce * sizeof(float) * channels * tokens * _batch);
        double products = mixing.IsLinear ? 2.0 * channels * channels / config.AttentionHeads[level] : 2 * tokens * channels;
        double projections = mixing.IsLinear ? 8.0 * channels * channels : 4.0 * channels * channels;
        double cross = 2.0 * channels * channels + 2.0 * TextTokens * channels, feedForward = 12.0 * channels * channels;
        _live.Multiply(_batch * tokens * (depth * (products + projections + cross + feedForward) + 2.0 * channels * channels));
    }

    private void Convolve(int inputs, int outputs, int level, int kernel) => _live.Multiply((double)inputs * outputs * kernel * kernel * Positions(level) * _batch);

    // A skip in memory is the map itself, one on the disk a copy.
    private void Keep(Stack<(int, int)> skips, int channels, int level)
    {
        skips.Push((channels, level));
        if (mode != MemoryMode.Disk) _live.Hold(Map(channels, level));
    }

    private void Kept(Stack<(int, int)> skips, int channels, int level, ref double own)
    {
        skips.Push((channels, level));
        if (mode != MemoryMode.Disk) own = 0;
    }

    private double Positions(int level) => Math.Ceiling(_height / (1 << level)) * Math.Ceiling(_width / (1 << level));

    private double Map(int channels, int level) => channels * Positions(level) * _bytes;
}
