using static TorchSharp.torch;

namespace Mural.Samplers;

/// <summary>
/// Dynamic thresholding (Saharia et al., arXiv 2205.11487, section 2.3): each picture of the predicted data is clipped to a quantile s of its
/// magnitudes, at least 1, and scaled by <paramref name="Maximum"/>/s. Made for pixels; latents have no natural range.
/// </summary>
/// <param name="Quantile">The quantile of the magnitudes, in [0, 1].</param>
/// <param name="Maximum">The magnitude that the quantile is mapped to.</param>
public sealed record DynamicThreshold(double Quantile = 0.995, double Maximum = 1)
{
    internal Tensor Apply(Tensor data)
    {
        using var scope = NewDisposeScope();
        Tensor magnitudes = data.abs().flatten(1);
        Tensor limit = quantile(magnitudes, tensor(Quantile, magnitudes.dtype, magnitudes.device), dim: 1).clamp_min(1);
        limit = limit.reshape([-1, .. Enumerable.Repeat(1L, (int)data.dim() - 1)]);
        return maximum(minimum(data, limit), -limit).div(limit / Maximum).MoveToOuterDisposeScope();
    }
}
