using TorchSharp;
using static TorchSharp.torch;

namespace Mural.Autoencoders;

/// <summary>
/// The tiling of diffusers' AutoencoderKL (spec 3.5): tiles are taken at a fixed stride, each one's first rows and columns are blended linearly into the
/// neighbour's last ones, and what lies beyond the stride is dropped.
/// </summary>
internal static class BlendedTiles
{
    /// <summary>Maps <paramref name="input"/> tile by tile.</summary>
    /// <param name="input">Shape: <c>[B, C, H, W]</c>.</param>
    /// <param name="tile">Side of a tile of the input.</param>
    /// <param name="stride">Distance between tiles of the input.</param>
    /// <param name="blend">Rows and columns of the output that are blended.</param>
    /// <param name="keep">Rows and columns of the output that a tile contributes.</param>
    /// <param name="smallest">Rows and columns of the input that give one of the output; what is left beyond the last whole ones is dropped.</param>
    /// <param name="map">Encodes or decodes one tile, which may be smaller at the far edges.</param>
    internal static Tensor Map(Tensor input, int tile, int stride, int blend, int keep, int smallest, Func<Tensor, Tensor> map)
    {
        using DisposeScope scope = NewDisposeScope();
        var rows = new List<Tensor>();
        List<Tensor>? above = null;
        for (long top = 0; top + smallest <= input.shape[2]; top += stride)
        {
            using DisposeScope rowScope = NewDisposeScope();
            Tensor band = input.narrow(2, top, Math.Min(tile, input.shape[2] - top));
            var row = new List<Tensor>();
            for (long left = 0; left + smallest <= input.shape[3]; left += stride)
            {
                using DisposeScope tileScope = NewDisposeScope();
                Tensor output = map(band.narrow(3, left, Math.Min(tile, input.shape[3] - left)));
                if (above is not null) Blend(above[row.Count], output, 2, blend);
                if (row.Count > 0) Blend(row[^1], output, 3, blend);
                row.Add(output.MoveToOuterDisposeScope());
            }
            rows.Add(cat([.. row.Select(output => Crop(output, keep))], 3).MoveToOuterDisposeScope());
            // The next row blends with this one as it is after its own blending.
            above?.ForEach(output => output.Dispose());
            above = [.. row.Select(output => output.MoveToOuterDisposeScope())];
        }
        return cat(rows, 2).MoveToOuterDisposeScope();
    }

    private static Tensor Crop(Tensor tile, int keep) =>
        tile.narrow(2, 0, Math.Min(keep, tile.shape[2])).narrow(3, 0, Math.Min(keep, tile.shape[3]));

    private static void Blend(Tensor before, Tensor tile, int dimension, int blend)
    {
        long extent = Math.Min(Math.Min(before.shape[dimension], tile.shape[dimension]), blend);
        if (extent == 0) return;
        using DisposeScope scope = NewDisposeScope();
        ScalarType type = tile.dtype == ScalarType.Float64 ? ScalarType.Float64 : ScalarType.Float32;
        Tensor share = arange(extent, type, tile.device) / extent;
        if (dimension == 2) share = share.unsqueeze(1);
        Tensor own = tile.narrow(dimension, 0, extent), other = before.narrow(dimension, before.shape[dimension] - extent, extent);
        own.copy_(other.to(type) * (1 - share) + own.to(type) * share);
    }
}
