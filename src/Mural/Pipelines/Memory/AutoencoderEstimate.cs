using Mural.Autoencoders;

namespace Mural.Pipelines;

/// <summary>What decoding and encoding take beside the weights, counted as <see cref="UNetEstimate"/> counts.</summary>
/// <param name="config">The autoencoder.</param>
/// <param name="mode">How it runs.</param>
internal sealed class AutoencoderEstimate(AutoencoderConfig config, MemoryMode mode)
{
    private const double StripCopies = 6;

    private double _height, _width, _bytes;
    private LiveBytes _live = new();

    /// <summary>Bytes and multiply-adds of decoding a picture of that size in pixels.</summary>
    internal LiveBytes Decode(double height, double width, int elementBytes, double stripBytes)
    {
        (_height, _width, _bytes, _live) = (height, width, elementBytes, new LiveBytes());
        IReadOnlyList<int> channels = config.BlockOutChannels;
        int last = channels.Count - 1, before = channels[last];
        if (mode != MemoryMode.Whole) _live.Hold(StripCopies * stripBytes);
        Convolve(config.LatentChannels, before, last);
        Middle(before, last);
        for (int level = last; level >= 0; level--)
        {
            bool enlarged = level < last;
            for (int i = 0; i <= config.LayersPerBlock; i++)
            {
                Resnet(before, channels[level], level, enlarged && i == 0);
                before = channels[level];
            }
            if (level == 0) break;
            if (mode == MemoryMode.Whole) _live.Need(Map(before, level) + 2 * Map(before, level - 1));
            // In strips it is computed three times: for its statistics and for both branches.
            for (int times = mode == MemoryMode.Whole ? 1 : 3; times > 0; times--) Convolve(before, before, level - 1);
        }
        if (mode == MemoryMode.Whole) _live.Need(2 * Map(before, 0) + 2 * Map(config.OutChannels, 0));
        Convolve(before, config.OutChannels, 0);
        return _live;
    }

    /// <summary>Bytes and multiply-adds of encoding a picture of that size in pixels.</summary>
    internal LiveBytes Encode(double height, double width, int elementBytes, double stripBytes)
    {
        (_height, _width, _bytes, _live) = (height, width, elementBytes, new LiveBytes());
        IReadOnlyList<int> channels = config.BlockOutChannels;
        int last = channels.Count - 1, before = channels[0];
        if (mode != MemoryMode.Whole) _live.Hold(StripCopies * stripBytes);
        Convolve(config.InChannels, before, 0);
        for (int level = 0; level <= last; level++)
        {
            for (int i = 0; i < config.LayersPerBlock; i++)
            {
                Resnet(before, channels[level], level, false);
                before = channels[level];
            }
            if (level == last) break;
            if (mode == MemoryMode.Whole) _live.Need(2 * Map(before, level) + Map(before, level + 1));
            else if (mode == MemoryMode.Strips) _live.Need(Map(before, level) + Map(before, level + 1));
            Convolve(before, before, level + 1);
        }
        Middle(before, last);
        Convolve(before, 2 * config.LatentChannels, last);
        return _live;
    }

    private void Middle(int channels, int level)
    {
        Resnet(channels, channels, level, false);
        if (config.MidBlockAttention)
        {
            long rows = Side(_height, level), columns = Side(_width, level);
            double tokens = Positions(level), keys = mode == MemoryMode.Whole ? tokens : MidAttention.Keys(rows, columns, MidAttention.KeyStep(rows, columns));
            // Queries, keys and values, those packed, and what comes of them.
            if (mode == MemoryMode.Whole) _live.Need(7 * Map(channels, level));
            else _live.Need((mode == MemoryMode.Strips ? Map(channels, level) : 0) + 4 * keys * channels * _bytes);
            _live.Multiply(tokens * (4.0 * channels * channels + 2 * keys * channels));
        }
        Resnet(channels, channels, level, false);
    }

    private void Resnet(int inputs, int outputs, int level, bool enlarged)
    {
        bool changes = inputs != outputs;
        switch (mode)
        {
            case MemoryMode.Whole:
                _live.Need(2 * Map(inputs, level) + (changes ? 4 : 3) * Map(outputs, level));
                break;
            case MemoryMode.Strips:
                // An enlarged map is computed from the one below whenever it is looked at.
                _live.Need((enlarged ? Map(inputs, level + 1) : Map(inputs, level)) + (changes || enlarged ? 2 : 1) * Map(outputs, level));
                break;
        }
        Convolve(inputs, outputs, level);
        Convolve(outputs, outputs, level);
        if (changes) _live.Multiply((double)inputs * outputs * Positions(level));
    }

    private void Convolve(int inputs, int outputs, int level) => _live.Multiply(9.0 * inputs * outputs * Positions(level));

    private double Positions(int level) => (double)Side(_height, level) * Side(_width, level);

    private static long Side(double side, int level) => (long)Math.Ceiling(side / (1 << level));

    private double Map(int channels, int level) => channels * Positions(level) * _bytes;
}
