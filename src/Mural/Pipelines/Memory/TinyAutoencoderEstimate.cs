using Mural.Autoencoders;

namespace Mural.Pipelines;

/// <summary>What TAESD's decoding and encoding take beside the weights, counted as <see cref="AutoencoderEstimate"/> counts.</summary>
/// <param name="config">The autoencoder.</param>
/// <param name="mode">How it runs.</param>
internal sealed class TinyAutoencoderEstimate(AutoencoderTinyConfig config, MemoryMode mode)
{
    // Maps that are alive at once: a block's input, what its convolutions read and write, its activations; in strips also what waits for the rows around them.
    private const double WholeMaps = 3.5, StripMaps = 5.5;

    // Rows of the picture around a strip that are computed for it too, through all layers at the picture's size and at half of it.
    private const double RowsAround = 48;

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
        double pixels = height * width, row = width * channels * elementBytes, again = 1;
        if (mode == MemoryMode.Whole) live.Hold(WholeMaps * height * row);
        else
        {
            double rows = Math.Min(height, Math.Max(1, Math.Floor(stripBytes / row)) * AutoencoderTiny.StripFactor);
            again = Math.Min(height, rows + RowsAround) / rows;
            live.Hold(StripMaps * again * rows * row);
        }
        // The two smallest maps that are kept, the one made from the other.
        if (mode == MemoryMode.Strips) live.Hold(1.25 * pixels * channels * elementBytes / (AutoencoderTiny.KeptDownscale * AutoencoderTiny.KeptDownscale));
        double shrink = 1;
        foreach (int count in blocks)
        {
            live.Multiply(9.0 * channels * channels * (3 * count + 1) * pixels * shrink * again);
            shrink /= 4;
        }
        return live;
    }
}
