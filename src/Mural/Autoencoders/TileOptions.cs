namespace Mural.Autoencoders;

/// <summary>
/// Encoding and decoding in overlapping tiles, as diffusers does it: memory is bounded by the tile. Group norms and attention see one tile only, so the result
/// differs a little from the whole one, the more the smaller the tiles are (spec 3.5).
/// </summary>
/// <param name="Side">Side of a tile in pixels, a multiple of the autoencoder's downscale.</param>
/// <param name="Overlap">Share of a tile that it has in common with its neighbour, from 0 to below 1.</param>
public sealed record TileOptions(int Side, double Overlap = 0.25)
{
    internal void Validate(int downscale)
    {
        if (Side < downscale || Side % downscale != 0)
            throw new MuralException($"A tile of {Side} pixels is not a positive multiple of {downscale}, which this autoencoder needs; choose another side.");
        if (!(Overlap >= 0 && Overlap < 1))
            throw new MuralException($"A tile overlap of {Overlap} is not from 0 to below 1; choose another share.");
    }

    /// <summary>Whether a map has to be cut at all.</summary>
    internal static bool Cuts(long height, long width, int tile) => height > tile || width > tile;
}
