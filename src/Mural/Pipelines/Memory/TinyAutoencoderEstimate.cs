using Mural.Autoencoders;

namespace Mural.Pipelines;

/// <summary>What TAESD's decoding and encoding take beside the weights, counted as <see cref="AutoencoderEstimate"/> counts.</summary>
/// <param name="config">The autoencoder.</param>
/// <param name="mode">How it runs.</param>
internal sealed class TinyAutoencoderEstimate(AutoencoderTinyConfig config, MemoryMode mode)
{
    // A block's input, what its convolutions read and write, and its activations.
    private const double Maps = 3;

    // Rows around a strip are computed again, through all layers at the picture's size and at half of it.
    private const double RowsTwice = 1.4;

    /// <summary>Bytes and multiply-adds of decoding a picture of that size in pixels.</summary>
    internal LiveBytes Decode(double height, double width, int elementBytes, double stripBytes) =>
        Half(height, width, config.DecoderChannels, config.DecoderBlocks.Reverse(), elementBytes, stripBytes);

    /// <summary>Bytes and multiply-adds of encoding a picture of that size in pixels.</summary>
    internal LiveBytes Encode(double height, double width, int elementBytes, double stripBytes) =>
        Half(height, width, config.EncoderChannels, config.EncoderBlocks, elementBytes, stripBytes);

    // Blocks from the picture's resolution to the latent's.
    private LiveBytes Half(double height, double width, int channels, IEnumerable<int> blocks, int elementBytes, double stripBytes)
    {
        var live = new LiveBytes();
        double pixels = height * width, row = width * channels * elementBytes;
        if (mode == MemoryMode.Whole) live.Hold(Maps * height * row);
        else
        {
            double rows = Math.Max(1, Math.Floor(stripBytes / row)) * AutoencoderTiny.StripFactor;
            live.Hold(Maps * RowsTwice * Math.Min(height, rows) * row);
        }
        // The two smallest maps that are kept, the one made from the other.
        if (mode == MemoryMode.Strips) live.Hold(1.25 * pixels * channels * elementBytes / (AutoencoderTiny.KeptDownscale * AutoencoderTiny.KeptDownscale));
        double shrink = 1;
        foreach (int count in blocks)
        {
            live.Multiply(9.0 * channels * channels * (3 * count + 1) * pixels * shrink * (mode == MemoryMode.Whole ? 1 : RowsTwice));
            shrink /= 4;
        }
        return live;
    }
}
