using TorchSharp;
using static TorchSharp.torch;

namespace Mural.LinFusion;

/// <summary>
/// Gradients of what is computed of tokens chunk by chunk. Each chunk is computed once more and differentiated before the next one is looked at, so that what a backward pass needs
/// on the way is that of one chunk.
/// </summary>
internal sealed class ChunkGradients
{
    private readonly Tensor _tokens;
    private readonly long _size;

    /// <param name="tokens">Shape: `[B, N, C]`.</param>
    /// <param name="size">Tokens of a chunk.</param>
    internal ChunkGradients(Tensor tokens, long size)
    {
        _tokens = tokens;
        _size = size;
        Tokens = tokens.requires_grad ? zeros(tokens.shape, tokens.dtype, tokens.device) : null;
    }

    /// <summary>The gradient of the tokens so far, to which every walk adds; null where none is asked for.</summary>
    internal Tensor? Tokens { get; }

    /// <summary>Walks over all chunks.</summary>
    /// <param name="part">What is computed of a chunk, from <paramref name="leaves"/> too.</param>
    /// <param name="gradient">The gradient of what is computed of the chunk with this first token and this number of tokens.</param>
    /// <param name="leaves">What all chunks have in common: leaves that gradients are asked for and that <paramref name="part"/> uses all of.</param>
    /// <returns>The gradients of the leaves, each in its type; sums over the chunks are float32 or wider.</returns>
    internal Tensor[] Walk(Func<Tensor, Tensor> part, Func<long, long, Tensor> gradient, Tensor[] leaves)
    {
        if (Tokens is null && leaves.Length == 0) return [];
        using DisposeScope scope = NewDisposeScope();
        Tensor[] sums = [.. leaves.Select(leaf => zeros(leaf.shape, PositiveFeatures.Accumulation(leaf.dtype), leaf.device))];
        foreach ((long start, long count) in TokenChunks.Of(_tokens.shape[1], _size))
        {
            using DisposeScope chunk = NewDisposeScope();
            // Cut from the graph before it, so that this backward pass ends here. Products want rows that lie together.
            Tensor tokens = _tokens.narrow(1, start, count).contiguous().detach().requires_grad_(Tokens is not null), result;
            using (enable_grad()) result = part(tokens);
            Tensor[] wanted = Tokens is null ? leaves : [.. leaves, tokens];
            IList<Tensor> found = autograd.grad([result], wanted, [gradient(start, count)]);
            for (int i = 0; i < sums.Length; i++) sums[i].add_(found[i]);
            if (Tokens is null) continue;
            using Tensor place = Tokens.narrow(1, start, count);
            place.add_(found[leaves.Length]);
        }
        return [.. sums.Zip(leaves, (sum, leaf) => sum.to(leaf.dtype).MoveToOuterDisposeScope())];
    }
}
