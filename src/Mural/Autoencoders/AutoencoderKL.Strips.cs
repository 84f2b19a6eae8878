using Mural.Layers;
using Mural.Layers.Strips;
using TorchSharp;
using static TorchSharp.torch;

namespace Mural.Autoencoders;

// Pictures of any size in bounded memory: norms have the statistics of the whole picture, the middle attention sees all of it, and layers see the rows around their strips, so
// that the result is that of the whole picture but for rounding.
public sealed partial class AutoencoderKL
{
    /// <summary>Encodes a picture that comes in rows. Mean and unclamped log variance along the channels, <c>[1, 2 latent, h, w]</c>.</summary>
    /// <param name="height">H.</param>
    /// <param name="width">W.</param>
    /// <param name="rows">Gives rows, from the first on, as many as asked for; values from -1 to 1. Shape: <c>[1, in, count, W]</c>.</param>
    /// <param name="type">Type of the computation.</param>
    /// <param name="device">Where it runs.</param>
    /// <param name="options">How.</param>
    internal Tensor EncodeStrips(long height, long width, Func<long, long, Tensor> rows, ScalarType type, Device device, StripOptions options)
    {
        using IDisposable quiet = no_grad();
        using DisposeScope scope = NewDisposeScope();
        using var runner = new StripRunner(type, device, options);
        using var picture = new ComputedMap(height, width, Config.InChannels, height, Prepared);
        Tensor moments = _encoder.Run(picture, runner);
        return (_quantConv?.forward(moments) ?? moments).contiguous().MoveToOuterDisposeScope();

        Tensor Prepared(long first, long count)
        {
            using Tensor some = rows(first, count), typed = some.to(type);
            return typed.ForConvolution();
        }
    }

    /// <summary>Decodes a latent to a picture whose rows are handed out as they come.</summary>
    /// <param name="latent">Not scaled. Shape: <c>[1, latent, h, w]</c>.</param>
    /// <param name="take">Gets rows, given the first of them, from top to bottom; about -1 to 1. Shape: <c>[1, out, count, 8 w]</c>.</param>
    /// <param name="options">How.</param>
    /// <exception cref="MuralException">The latent has another number of channels.</exception>
    internal void DecodeStrips(Tensor latent, Action<long, Tensor> take, StripOptions options)
    {
        using IDisposable quiet = no_grad();
        using DisposeScope scope = NewDisposeScope();
        _input.RequireOneLatent(latent, Config.LatentChannels);
        using var runner = new StripRunner(latent.dtype, latent.device, options);
        Tensor map = (_postQuantConv?.forward(latent) ?? latent).ForConvolution();
        using var source = new RowsAtHand(map, 0, map.shape[2]);
        _decoder.Run(source, runner, take);
    }
}
