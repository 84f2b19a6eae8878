using System.Text.Json.Serialization;

namespace Mural.LinFusion;

/// <summary>
/// What can take the place of a UNet's self-attention at a cost that grows linearly with the tokens. Beside LinFusion's own these are what its paper compares with: they
/// show what normalisation and the missing order of tokens are good for (spec linfusion.md 4.1).
/// </summary>
public enum LinearMixer
{
    /// <summary>LinFusion's attention: normalised, without an order of tokens.</summary>
    [JsonStringEnumMemberName("linfusion")]
    LinFusion,

    /// <summary>The same without normalisation: results grow with the number of tokens beyond that of the training.</summary>
    UnnormalizedLinearAttention,

    /// <summary>The same as LinFusion's, except that tokens see those before them only, row by row.</summary>
    CausalLinearAttention,

    /// <summary>Gated linear attention (arXiv 2312.06635): causal, with a decay for each channel of the keys that depends on the token.</summary>
    GatedLinearAttention,

    /// <summary>Two Mamba mixers (arXiv 2312.00752), one from the first token to the last and one back, each with half of the inner channels.</summary>
    BidirectionalMamba,

    /// <summary>Mamba-2 (arXiv 2405.21060): causal, with a decay for each head that depends on the token.</summary>
    Mamba2,

    /// <summary>Mamba-2 in both directions, between shared projections.</summary>
    BidirectionalMamba2,
}
