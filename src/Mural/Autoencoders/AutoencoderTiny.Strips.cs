using Mural.Layers;
using Mural.Layers.Strips;
using TorchSharp;
using static TorchSharp.torch;

namespace Mural.Autoencoders;

// Pictures of any size in bounded memory. A row hangs on a few dozen rows around it and on nothing else: strips are computed with those, so that the result is that of the whole
// picture but for rounding. Large maps are never kept, not even on the disk.
public sealed partial class AutoencoderTiny
{
    // More rows than other networks' strips have: those around a strip are computed for each, through all layers.
    internal const int StripFactor = 8;

    // Maps whose sides are this many times smaller than the picture's are kept.
    internal const int KeptDownscale = 4;

    /// <summary>Encodes a picture that comes in rows. Shape: <c>[1, latent, h, w]</c>.</summary>
    /// <param name="height">H.</param>
    /// <param name="width">W.</param>
    /// <param name="rows">Gives rows, as many as asked for; values from -1 to 1. Shape: <c>[1, in, count, W]</c>.</param>
    /// <param name="type">Type of the computation.</param>
    /// <param name="device">Where it runs.</param>
    /// <param name="options">How.</param>
    internal Tensor EncodeStrips(long height, long width, Func<long, long, Tensor> rows, ScalarType type, Device device, StripOptions options)
    {
        using IDisposable quiet = no_grad();
        using DisposeScope scope = NewDisposeScope();
        using var runner = new StripRunner(type, device, options);
        using var picture = new ComputedMap(height, width, Config.InChannels, height, Prepared);
        long strip = StripRows(runner, width, Config.EncoderChannels);
        using FeatureMap latent = _encoder.Run(picture, runner, map => Kept(map, runner, strip, height));
        var parts = new List<Tensor>();
        foreach ((long first, long count) in runner.Strips(latent.Height, Scaled(strip, latent.Height, height))) parts.Add(latent.Rows(first, count));
        return cat(parts, 2).contiguous().MoveToOuterDisposeScope();

        Tensor Prepared(long first, long count)
        {
            using DisposeScope inner = NewDisposeScope();
            return ToNetwork(rows(first, count).to(type)).ForConvolution().MoveToOuterDisposeScope();
        }
    }

    /// <summary>Decodes a latent to a picture whose rows are handed out as they come.</summary>
    /// <param name="latent">As a denoiser gives it. Shape: <c>[1, latent, h, w]</c>.</param>
    /// <param name="take">Gets rows, given the first of them, from top to bottom; about -1 to 1. Shape: <c>[1, out, count, W]</c>.</param>
    /// <param name="options">How.</param>
    /// <exception cref="MuralException">The latent has another number of channels.</exception>
    internal void DecodeStrips(Tensor latent, Action<long, Tensor> take, StripOptions options)
    {
        using IDisposable quiet = no_grad();
        using DisposeScope scope = NewDisposeScope();
        _input.RequireOneLatent(latent, Config.LatentChannels);
        using var runner = new StripRunner(latent.dtype, latent.device, options);
        Tensor bounded = Bounded(latent).ForConvolution();
        long height = latent.shape[2] * Config.Downscale, strip = StripRows(runner, latent.shape[3] * Config.Downscale, Config.DecoderChannels);
        using FeatureMap picture = _decoder.Run(new RowsAtHand(bounded, 0, bounded.shape[2]), runner, map => Kept(map, runner, strip, height));
        runner.Stream(picture, strip, (first, rows) => take(first, FromNetwork(rows)));
    }

    private static FeatureMap Kept(FeatureMap map, StripRunner runner, long strip, long pictureHeight) =>
        (map.Height - 1) * KeptDownscale < pictureHeight ? runner.Keep(map, Scaled(strip, map.Height, pictureHeight)) : map;

    // Rows of the picture that are worked on at once.
    private static long StripRows(StripRunner runner, long width, int channels) => StripFactor * runner.StripRows(width, channels);

    // The same rows of a smaller map.
    private static long Scaled(long strip, long height, long pictureHeight) => Math.Max(1, strip * height / pictureHeight);
}
