using TorchSharp;
using static TorchSharp.torch;

namespace Mural.Pipelines;

/// <summary>Mean and standard deviation of every channel of a latent over its positions, the deviation unbiased (LinFusion specification 5.2).</summary>
/// <param name="Mean">Shape: `[B, C, 1, 1]`.</param>
/// <param name="Deviation">Shape: `[B, C, 1, 1]`.</param>
internal sealed record ChannelStatistics(Tensor Mean, Tensor Deviation)
{
    internal static ChannelStatistics Of(Tensor latent) => new(latent.mean([2, 3], keepdim: true), latent.std([2, 3], keepdim: true));

    /// <summary>A latent moved and stretched to have these.</summary>
    internal Tensor GiveTo(Tensor latent)
    {
        using DisposeScope scope = NewDisposeScope();
        ChannelStatistics own = Of(latent);
        return ((latent - own.Mean) / own.Deviation * Deviation + Mean).MoveToOuterDisposeScope();
    }
}
