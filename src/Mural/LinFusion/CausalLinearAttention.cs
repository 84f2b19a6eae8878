using Mural.Attention;
using Mural.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace Mural.LinFusion;

/// <summary>
/// Normalised linear attention in which a token sees itself and those before it (spec 4.1), row by row: the means of <see cref="LinearAttention"/> are taken over the tokens
/// so far.
/// </summary>
internal sealed class CausalLinearAttention : FeatureAttention
{
    /// <inheritdoc cref="FeatureAttention(string, int, int, int?, LayerFactory)"/>
    internal CausalLinearAttention(int channels, int heads, int? mlpWidth, LayerFactory layers) : base(nameof(CausalLinearAttention), channels, heads, mlpWidth, layers)
    {
    }

    /// <inheritdoc/>
    public override Tensor Forward(Tensor tokens, MapSize map)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor queries = PositiveFeatures.Apply(ByHead(Queries(tokens), Heads)), keys = PositiveFeatures.Apply(ByHead(Keys(tokens), Heads));
        Tensor values = ByHead(Values(tokens), Heads).to(keys.dtype);
        long width = values.shape[3], count = tokens.shape[1];
        // A column of ones beside the values sums the keys.
        Tensor sums = DecayingScan.Apply(queries, keys, cat([values, ones([.. values.shape[..^1], 1], values.dtype, values.device)], -1), null);
        Tensor seen = arange(1, count + 1, dtype: sums.dtype, device: sums.device).view(1, count, 1, 1);
        Tensor mixed = sums.narrow(-1, 0, width) / (sums.narrow(-1, width, 1) + LinearKernel.Epsilon * seen);
        return Project(mixed.flatten(2).to(tokens.dtype)).MoveToOuterDisposeScope();
    }
}
