using Mural.Kernels;
using Mural.Runtime;
using TorchSharp;
using static TorchSharp.torch;

namespace Mural.LinFusion;

/// <summary>
/// Normalised linear attention between projections (spec 1.2 to 1.4): queries meet sums over all keys, never single keys. With a column of ones beside the values one
/// sum gives numerator and denominator; it is taken in float32 over chunks of tokens.
/// </summary>
internal static class LinearKernel
{
    // Added to the denominator, which is a mean, so it does not depend on the number of tokens.
    internal const double Epsilon = 1e-4;

    /// <summary>Σ φ(k)ᵀ [v | 1] over the tokens. Sums of parts of the tokens add up to the sum of all.</summary>
    /// <param name="keys">Shape: `[B, N, C]`.</param>
    /// <param name="values">Shape: `[B, N, C]`.</param>
    /// <param name="heads">H; head h owns channels h d to (h + 1) d, with d = C / H.</param>
    /// <param name="kernels">Hand-written kernel or plain operators.</param>
    /// <returns>Float32 or wider. Shape: `[B, H, d, d + 1]`.</returns>
    internal static Tensor Sums(Tensor keys, Tensor values, int heads, KernelSet kernels = KernelSet.Mural)
    {
        if (kernels == KernelSet.Mural && FusedLinearAttention.Serves(keys, values)) return FusedLinearAttention.Sums(keys, values, heads, VectorWidths.Best);
        using DisposeScope scope = NewDisposeScope();
        long width = keys.shape[2] / heads;
        Tensor sums = zeros([keys.shape[0], heads, width, width + 1], PositiveFeatures.Accumulation(keys.dtype), keys.device);
        foreach ((long start, long count) in TokenChunks.Of(keys.shape[1]))
        {
            using DisposeScope chunk = NewDisposeScope();
            Tensor features = PositiveFeatures.Apply(ByHead(keys.narrow(1, start, count), heads));
            sums.add_(features.transpose(-2, -1).matmul(WithOnes(values.narrow(1, start, count), heads)));
        }
        return sums.MoveToOuterDisposeScope();
    }

    /// <summary>What the queries get of all tokens: φ(q) S / (φ(q) k̄ + 1e-4).</summary>
    /// <param name="queries">Shape: `[B, N, C]`.</param>
    /// <param name="means">[S | k̄]: the sums over all tokens, divided by their number. Shape: `[B, H, d, d + 1]`.</param>
    /// <param name="kernels">Hand-written kernel or plain operators.</param>
    /// <returns>In the queries' type. Shape: `[B, N, C]`.</returns>
    internal static Tensor Attend(Tensor queries, Tensor means, KernelSet kernels = KernelSet.Mural)
    {
        if (kernels == KernelSet.Mural && FusedLinearAttention.Serves(queries) && !Gradients.AreRecorded(means))
            return FusedLinearAttention.Attend(queries, means, VectorWidths.Best);
        using DisposeScope scope = NewDisposeScope();
        Tensor output = empty(queries.shape, queries.dtype, queries.device);
        foreach ((long start, long count) in TokenChunks.Of(queries.shape[1]))
        {
            using DisposeScope chunk = NewDisposeScope();
            Tensor features = PositiveFeatures.Apply(ByHead(queries.narrow(1, start, count), (int)means.shape[1]));
            output.narrow(1, start, count).copy_(Joined(Quotient(features.matmul(means)).Output));
        }
        return output.MoveToOuterDisposeScope();
    }

    /// <summary>Gradients of queries, keys and values, in their types; two passes over the tokens again.</summary>
    /// <param name="queries">Shape: `[B, N, C]`.</param>
    /// <param name="keys">Likewise.</param>
    /// <param name="values">Likewise.</param>
    /// <param name="gradient">That of the output, likewise.</param>
    /// <param name="heads">H.</param>
    internal static (Tensor Queries, Tensor Keys, Tensor Values) Backward(Tensor queries, Tensor keys, Tensor values, Tensor gradient, int heads)
    {
        using DisposeScope scope = NewDisposeScope();
        long tokens = keys.shape[1], width = keys.shape[2] / heads;
        Tensor means = Sums(keys, values, heads).div_(tokens);
        Tensor meansGradient = zeros_like(means), before = means.transpose(-2, -1);
        Tensor queriesGradient = empty(queries.shape, queries.dtype, queries.device),
            keysGradient = empty(keys.shape, keys.dtype, keys.device),
            valuesGradient = empty(values.shape, values.dtype, values.device);
        foreach ((long start, long count) in TokenChunks.Of(tokens))
        {
            using DisposeScope chunk = NewDisposeScope();
            Tensor projected = ByHead(queries.narrow(1, start, count), heads), features = PositiveFeatures.Apply(projected);
            (Tensor output, Tensor divisor) = Quotient(features.matmul(means));
            Tensor numerator = ByHead(gradient.narrow(1, start, count), heads).to(means.dtype) / divisor;
            Tensor product = cat([numerator, (numerator * output).sum(-1, keepdim: true).neg_()], -1);
            meansGradient.add_(features.transpose(-2, -1).matmul(product));
            queriesGradient.narrow(1, start, count).copy_(Joined(product.matmul(before).mul_(PositiveFeatures.Slope(projected))));
        }
        Tensor sumsGradient = meansGradient.div_(tokens), toKeys = sumsGradient.transpose(-2, -1), toValues = sumsGradient.narrow(-1, 0, width);
        foreach ((long start, long count) in TokenChunks.Of(tokens))
        {
            using DisposeScope chunk = NewDisposeScope();
            Tensor projected = ByHead(keys.narrow(1, start, count), heads);
            keysGradient.narrow(1, start, count).copy_(Joined(WithOnes(values.narrow(1, start, count), heads).matmul(toKeys).mul_(PositiveFeatures.Slope(projected))));
            valuesGradient.narrow(1, start, count).copy_(Joined(PositiveFeatures.Apply(projected).matmul(toValues)));
        }
        return (queriesGradient.MoveToOuterDisposeScope(), keysGradient.MoveToOuterDisposeScope(), valuesGradient.MoveToOuterDisposeScope());
    }

    // [num | z] -> num / (z + epsilon), and that divisor.
    private static (Tensor Output, Tensor Divisor) Quotient(Tensor product)
    {
        long width = product.shape[^1] - 1;
        Tensor divisor = product.narrow(-1, width, 1) + Epsilon;
        return (product.narrow(-1, 0, width) / divisor, divisor);
    }

    // [B, n, C] -> [B, H, n, d], a view.
    private static Tensor ByHead(Tensor tokens, int heads) => tokens.unflatten(2, heads, tokens.shape[2] / heads).transpose(1, 2);

    private static Tensor WithOnes(Tensor values, int heads)
    {
        Tensor wide = ByHead(values, heads).to(PositiveFeatures.Accumulation(values.dtype));
        return cat([wide, ones([.. wide.shape[..^1], 1], wide.dtype, wide.device)], -1);
    }

    // [B, H, n, d] -> [B, n, C].
    private static Tensor Joined(Tensor heads) => heads.transpose(1, 2).flatten(2);
}
