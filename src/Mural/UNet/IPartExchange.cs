using static TorchSharp.torch;

namespace Mural.UNet;

/// <summary>
/// What the workers of one picture tell each other, of which each has a slab of rows of every map (LinFusion specification 6.5). All of them make the same calls in the same order.
/// </summary>
internal interface IPartExchange
{
    /// <summary>The sum over all workers of tensors of one shape, the same on all of them.</summary>
    Tensor Sum(Tensor own);

    /// <summary>Rows of the neighbouring slabs.</summary>
    /// <param name="map">The worker's own slab. Shape: `[B, C, h, W]`.</param>
    /// <param name="above">Rows wanted of the slab above.</param>
    /// <param name="below">Rows wanted of the slab below.</param>
    /// <returns>Null where the picture ends.</returns>
    (Tensor? Above, Tensor? Below) Neighbours(Tensor map, int above, int below);
}
