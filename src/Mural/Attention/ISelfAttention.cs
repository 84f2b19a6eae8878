using static TorchSharp.torch;

namespace Mural.Attention;

/// <summary>Height and width of a feature map.</summary>
internal readonly record struct MapSize(long Height, long Width)
{
    /// <summary>The size of a map <c>[B, C, H, W]</c>.</summary>
    internal static MapSize Of(Tensor map) => new(map.shape[2], map.shape[3]);

    /// <summary>Number of positions.</summary>
    internal double Count => (double)Height * Width;

    /// <summary>The size after a step of stride 2, which rounds up.</summary>
    internal MapSize Halved => new((Height + 1) / 2, (Width + 1) / 2);
}

/// <summary>How the positions of a feature map attend to each other: what a transformer block holds as its first attention.</summary>
internal interface ISelfAttention
{
    /// <summary>Mixes the tokens of each map; the residual is the caller's.</summary>
    /// <param name="tokens">Normalised tokens, row by row. Shape: `[B, H·W, C]`.</param>
    /// <param name="map">The map they come from, for kinds that look at neighbourhoods.</param>
    /// <returns>A tensor of its own. Shape: `[B, H·W, C]`.</returns>
    Tensor Forward(Tensor tokens, MapSize map);
}
