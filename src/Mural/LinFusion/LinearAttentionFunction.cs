using Mural.Kernels;
using TorchSharp;
using static TorchSharp.torch;

namespace Mural.LinFusion;

/// <summary>
/// <see cref="LinearAttention"/> over more than a chunk of tokens, as an operator that libtorch can differentiate. It saves tokens and weights, which are there anyway, and the
/// means, whose size does not depend on the tokens. The backward pass walks over the chunks twice, as the forward pass does: queries give the gradient of the means, which every
/// key and value then meets.
/// </summary>
internal sealed class LinearAttentionFunction : autograd.SingleTensorFunction<LinearAttentionFunction>
{
    private const string Attention = nameof(Attention), QueryWeights = nameof(QueryWeights);

    public override string Name => nameof(LinearAttentionFunction);

    /// <summary>What <see cref="LinearAttention.Forward"/> computes. Shapes: `[B, N, C]` to `[B, N, C]`.</summary>
    internal static Tensor Apply(LinearAttention attention, Tensor tokens)
    {
        Tensor[] queryWeights = Trained(attention.QueryWeights), keyWeights = Trained(attention.KeyWeights);
        return apply([attention, queryWeights.Length, tokens, .. queryWeights, .. keyWeights]);
    }

    public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
    {
        var attention = (LinearAttention)vars[0];
        var tokens = (Tensor)vars[2];
        // Saved once this has returned; until then it belongs to the caller's scope.
        Tensor means = attention.Means(tokens);
        ctx.save_data(Attention, attention);
        ctx.save_data(QueryWeights, vars[1]);
        ctx.save_for_backward([means, .. vars.Skip(2).Cast<Tensor>()]);
        return attention.Attend(tokens, means);
    }

    public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output)
    {
        using DisposeScope scope = NewDisposeScope();
        var attention = (LinearAttention)ctx.get_data(Attention);
        int split = 2 + (int)ctx.get_data(QueryWeights);
        List<Tensor> saved = ctx.get_saved_variables();
        Tensor means = saved[0].detach().requires_grad_(), tokens = saved[1];
        var chunks = new ChunkGradients(tokens, attention.ChunkSize);
        Tensor[] ofQueries = chunks.Walk(part => attention.Attend(part, means), (start, count) => grad_output.narrow(1, start, count), [means, .. saved[2..split]]);
        Tensor sumsGradient = ofQueries[0].div_(tokens.shape[1]);
        Tensor[] ofKeys = chunks.Walk(attention.Sums, (_, _) => sumsGradient, [.. saved[split..]]);
        return BackwardResults.Hand([null, null, chunks.Tokens, .. ofQueries[1..], .. ofKeys], [grad_output])!;
    }

    private static Tensor[] Trained(IEnumerable<Tensor> weights) => [.. weights.Where(weight => weight.requires_grad)];
}
