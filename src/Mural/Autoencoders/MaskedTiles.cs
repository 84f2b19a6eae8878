using TorchSharp;
using static TorchSharp.torch;

namespace Mural.Autoencoders;

/// <summary>
/// The tiling of diffusers' AutoencoderTiny (spec 3.6): every tile is laid over what is there with a mask that rises linearly along its overlap.
/// </summary>
internal static class MaskedTiles
{
    /// <summary>Maps <paramref name="input"/> tile by tile.</summary>
    /// <param name="input">Shape: <c>[B, C, H, W]</c>.</param>
    /// <param name="tile">Side of a tile of the input.</param>
    /// <param name="blend">Overlap of tiles, in positions of the input.</param>
    /// <param name="channels">Channels of the output.</param>
    /// <param name="toOutput">Position of the output for one of the input.</param>
    /// <param name="map">Encodes or decodes one tile, which may be smaller at the far edges.</param>
    internal static Tensor Map(Tensor input, int tile, int blend, int channels, Func<long, long> toOutput, Func<Tensor, Tensor> map)
    {
        using DisposeScope scope = NewDisposeScope();
        long height = input.shape[2], width = input.shape[3];
        ScalarType type = input.dtype == ScalarType.Float64 ? ScalarType.Float64 : ScalarType.Float32;
        Tensor output = zeros([input.shape[0], channels, toOutput(height), toOutput(width)], type, input.device);
        // Below one position of the output there is nothing to rise along.
        double extent = (double)blend * toOutput(tile) / tile;
        Tensor rising = extent > 1 ? (arange(toOutput(tile), type, input.device) / (extent - 1)).clamp(0, 1) : ones(toOutput(tile), type, input.device);
        for (long top = 0; top < height; top += tile - blend)
        {
            for (long left = 0; left < width; left += tile - blend)
            {
                using DisposeScope tileScope = NewDisposeScope();
                Tensor mapped = map(input.narrow(2, top, Math.Min(tile, height - top)).narrow(3, left, Math.Min(tile, width - left))).to(type);
                long rows = mapped.shape[2], columns = mapped.shape[3];
                Tensor mask = ones([rows, columns], type, input.device);
                if (top > 0) mask = mask * rising.narrow(0, 0, rows).unsqueeze(1);
                if (left > 0) mask = mask * rising.narrow(0, 0, columns);
                Tensor place = output.narrow(2, toOutput(top), rows).narrow(3, toOutput(left), columns);
                place.copy_(mask * mapped + (1 - mask) * place);
            }
        }
        return output.to(input.dtype).MoveToOuterDisposeScope();
    }
}
