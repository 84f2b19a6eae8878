using Mural.Attention;
using Mural.LinFusion;
using Mural.UNet;

namespace Mural.Pipelines;

/// <summary>How the self-attentions of a network go over their tokens, which decides about memory.</summary>
internal enum TokenMixing
{
    /// <summary>Softmax: every token meets every other, some at a time.</summary>
    Softmax,

    /// <summary>Linear attention that sees some tokens at a time and keeps sums.</summary>
    Sums,

    /// <summary>Another mixer, which sees all tokens at once.</summary>
    AllAtOnce,
}

/// <summary>The mixing of a network as it was loaded.</summary>
internal static class TokenMixings
{
    /// <summary>The one that takes the most, where there are several.</summary>
    internal static TokenMixing Of(UNet2DConditionModel network) => network.TransformerBlocks().Select(entry => entry.Block.SelfAttention switch
    {
        SelfAttention => TokenMixing.Softmax,
        LinearAttention => TokenMixing.Sums,
        _ => TokenMixing.AllAtOnce,
    }).OrderBy(mixing => mixing switch { TokenMixing.Sums => 0, TokenMixing.Softmax => 1, _ => 2 }).LastOrDefault();
}
