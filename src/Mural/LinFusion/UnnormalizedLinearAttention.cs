using Mural.Attention;
using Mural.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace Mural.LinFusion;

/// <summary>
/// Linear attention without normalisation (spec 4.1): O_i = φ(q_i) Σ_j φ(k_j)ᵀ v_j / (d T), with T the number of tokens that it was trained at. At another number of tokens
/// its results have another size, which is what the normalisation is against.
/// </summary>
internal sealed class UnnormalizedLinearAttention : FeatureAttention
{
    private readonly double _divisor;

    /// <inheritdoc cref="FeatureAttention(string, int, int, int?, LayerFactory)"/>
    internal UnnormalizedLinearAttention(int channels, int heads, int? mlpWidth, long trainingTokens, LayerFactory layers)
        : base(nameof(UnnormalizedLinearAttention), channels, heads, mlpWidth, layers) => _divisor = (double)trainingTokens * channels / heads;

    /// <inheritdoc/>
    public override Tensor Forward(Tensor tokens, MapSize map)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor? sums = null;
        foreach ((long start, long count) in TokenChunks.Of(tokens.shape[1]))
        {
            using DisposeScope chunk = NewDisposeScope();
            Tensor part = tokens.narrow(1, start, count), features = Features(Keys(part));
            Tensor added = features.transpose(-2, -1).matmul(Split(Values(part)).to(features.dtype));
            Tensor? before = sums;
            sums = (before is null ? added : before + added).MoveToOuterDisposeScope();
            before?.Dispose();
        }
        Tensor factors = sums! / _divisor;
        var mixed = new List<Tensor>();
        foreach ((long start, long count) in TokenChunks.Of(tokens.shape[1]))
        {
            using DisposeScope chunk = NewDisposeScope();
            Tensor attended = Features(Queries(tokens.narrow(1, start, count))).matmul(factors).transpose(1, 2).flatten(2).to(tokens.dtype);
            mixed.Add(Project(attended).MoveToOuterDisposeScope());
        }
        return cat(mixed, 1).MoveToOuterDisposeScope();
    }

    // [B, n, C] -> [B, H, n, d].
    private Tensor Split(Tensor tokens) => ByHead(tokens, Heads).transpose(1, 2);

    private Tensor Features(Tensor projected) => PositiveFeatures.Apply(Split(projected));
}
