using Mural.Attention;
using Mural.Layers;
using Mural.Runtime;
using TorchSharp;
using static TorchSharp.torch;

namespace Mural.LinFusion;

/// <summary>
/// LinFusion's self-attention (spec 1): normalised linear attention without an order of the tokens, whose cost grows with their number and whose result does not depend
/// on it. Tokens are walked over twice, chunk by chunk, in the backward pass too: memory beside tokens, result and their gradients is that of a chunk.
/// </summary>
internal sealed class LinearAttention : FeatureAttention, IKernelSelectable
{
    private KernelSet _kernels;

    /// <inheritdoc cref="FeatureAttention(string, int, int, int?, LayerFactory)"/>
    internal LinearAttention(int channels, int heads, int? mlpWidth, LayerFactory layers) : base(nameof(LinearAttention), channels, heads, mlpWidth, layers)
    {
    }

    /// <summary>Tokens of a chunk.</summary>
    internal long ChunkSize { get; init; } = TokenChunks.Size;

    void IKernelSelectable.UseKernels(KernelSet kernels) => _kernels = kernels;

    /// <inheritdoc/>
    public override Tensor Forward(Tensor tokens, MapSize map)
    {
        using DisposeScope scope = NewDisposeScope();
        return Mixed(tokens).MoveToOuterDisposeScope();
    }

    /// <summary>The means over all tokens that <see cref="Attend"/> takes.</summary>
    /// <param name="tokens">All tokens. Shape: `[B, N, C]`.</param>
    /// <returns>Float32 or wider. Shape: `[B, H, d, d + 1]`.</returns>
    internal Tensor Means(Tensor tokens) => Sums(tokens).div_(tokens.shape[1]);

    /// <summary>
    /// What a part of the tokens adds to the sums that every query meets. Workers that share a picture exchange these: their sum over all parts, divided by the number of
    /// all tokens, is what <see cref="Attend"/> takes.
    /// </summary>
    /// <param name="tokens">Some of the tokens, or none. Shape: `[B, n, C]`.</param>
    /// <returns>Float32 or wider. Shape: `[B, H, d, d + 1]`.</returns>
    internal Tensor Sums(Tensor tokens)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor? sums = null;
        foreach ((long start, long count) in TokenChunks.Of(tokens.shape[1], ChunkSize))
        {
            using DisposeScope chunk = NewDisposeScope();
            Tensor part = Chunk(tokens, start, count);
            Tensor added = LinearKernel.Sums(Keys(part), Values(part), Heads, _kernels);
            if (sums is null) sums = added.MoveToOuterDisposeScope();
            else sums.add_(added);
        }
        long width = tokens.shape[2] / Heads;
        return (sums ?? zeros([tokens.shape[0], Heads, width, width + 1], PositiveFeatures.Accumulation(tokens.dtype), tokens.device)).MoveToOuterDisposeScope();
    }

    /// <summary>The result for some of the tokens, once the sums over all are known.</summary>
    /// <param name="tokens">Some of the tokens. Shape: `[B, n, C]`.</param>
    /// <param name="means">Shape: `[B, H, d, d + 1]`.</param>
    /// <returns>Shape: `[B, n, C]`.</returns>
    internal Tensor Attend(Tensor tokens, Tensor means)
    {
        using DisposeScope scope = NewDisposeScope();
        if (tokens.shape[1] <= ChunkSize) return Attended(tokens, means).MoveToOuterDisposeScope();
        Tensor output = empty(tokens.shape, tokens.dtype, tokens.device);
        foreach ((long start, long count) in TokenChunks.Of(tokens.shape[1], ChunkSize))
        {
            using DisposeScope chunk = NewDisposeScope();
            output.narrow(1, start, count).copy_(Attended(Chunk(tokens, start, count), means));
        }
        return output.MoveToOuterDisposeScope();
    }

    // A single chunk is kept for the backward pass: computing it once more would save nothing that may grow.
    private Tensor Mixed(Tensor tokens)
    {
        if (!is_grad_enabled()) return Attend(tokens, Means(tokens));
        return tokens.shape[1] <= ChunkSize ? Kept(tokens) : LinearAttentionFunction.Apply(this, tokens);
    }

    private Tensor Kept(Tensor tokens) => Project(LinearKernelFunction.Apply(Queries(tokens), Keys(tokens), Values(tokens), Heads));

    private Tensor Attended(Tensor tokens, Tensor means) => Project(LinearKernel.Attend(Queries(tokens), means, _kernels));

    // Products want rows that lie together.
    private static Tensor Chunk(Tensor tokens, long start, long count) => tokens.narrow(1, start, count).contiguous();
}
