using Mural.Attention;
using Mural.LinFusion;
using Mural.UNet;

namespace Mural.Pipelines;

/// <summary>How the self-attentions of a network go over their tokens, which decides about memory.</summary>
/// <param name="IsLinear">Whether the work grows with the tokens, not with their square.</param>
/// <param name="MapsAtOnce">Maps in float32 that a mixer which sees all tokens at once holds beside them; 0 where some are seen at a time.</param>
internal readonly record struct TokenMixing(bool IsLinear, double MapsAtOnce)
{
    /// <summary>Every token meets every other, some at a time.</summary>
    internal static readonly TokenMixing Softmax = new(false, 0);

    /// <summary>Some tokens at a time add to sums, which is all that is kept.</summary>
    internal static readonly TokenMixing Sums = new(true, 0);

    /// <summary>That of a network as it was loaded: of several, the one that takes the most.</summary>
    internal static TokenMixing Of(UNet2DConditionModel network) => network.TransformerBlocks().Select(entry => Of(entry.Block.SelfAttention)).Distinct()
        .OrderBy(mixing => mixing.MapsAtOnce).ThenByDescending(mixing => mixing.IsLinear).LastOrDefault(Sums);

    // What each was seen to hold at 2^18 tokens in float32; in bf16 it is a little less.
    private static TokenMixing Of(ISelfAttention attention) => attention switch
    {
        SelfAttention => Softmax,
        LinearAttention => Sums,
        UnnormalizedLinearAttention => new(true, 3),
        BidirectionalMamba => new(true, 8),
        CausalLinearAttention => new(true, 15),
        GatedLinearAttention => new(true, 25),
        _ => new(true, 19),
    };
}
