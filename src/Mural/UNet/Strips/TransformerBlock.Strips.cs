using Mural.Attention;
using Mural.Layers.Strips;
using Mural.LinFusion;
using TorchSharp;
using static TorchSharp.torch;

namespace Mural.UNet;

internal sealed partial class TransformerBlock
{
    /// <summary>The same in place, some tokens at a time; only attention that compares all with all has keys and values of all of them.</summary>
    /// <param name="tokens">Of one map. Shape: `[1, H·W, C]`.</param>
    /// <param name="map">The map.</param>
    /// <param name="inputs">What the blocks get.</param>
    /// <param name="runner">Says how many at a time.</param>
    internal void RunInChunks(Tensor tokens, MapSize map, BlockInputs inputs, StripRunner runner)
    {
        // A feed-forward's widest layer has eight times the channels.
        (long Start, long Count)[] chunks = [.. runner.Strips(tokens.shape[1], 1, 8 * Channels)];
        void InPlace(Func<Tensor, Tensor> branch)
        {
            foreach ((long start, long count) in chunks)
            {
                using DisposeScope chunk = NewDisposeScope();
                Tensor some = tokens.narrow(1, start, count);
                some.add_(branch(some));
            }
        }
        using DisposeScope scope = NewDisposeScope();
        switch (SelfAttention)
        {
            case LinearAttention linear:
                Tensor means = Sums(linear, tokens, chunks);
                InPlace(some => linear.Attend(_norm1.forward(some), means));
                break;
            case SelfAttention softmax:
                (Tensor keys, Tensor values) = softmax.KeysAndValues(tokens, _norm1.forward, chunks);
                InPlace(some => softmax.Attend(_norm1.forward(some), keys, values));
                break;
            default:
                tokens.add_(SelfAttention.Forward(_norm1.forward(tokens), map));
                break;
        }
        InPlace(some => _cross.Forward(_norm2.forward(some), inputs.Prompt.For(_cross)));
        InPlace(some => _feedForward.Forward(_norm3.forward(some)));
    }

    private Tensor Sums(LinearAttention linear, Tensor tokens, (long Start, long Count)[] chunks)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor? sums = null;
        foreach ((long start, long count) in chunks)
        {
            using DisposeScope chunk = NewDisposeScope();
            Tensor part = linear.Sums(_norm1.forward(tokens.narrow(1, start, count)));
            if (sums is null) sums = part.MoveToOuterDisposeScope();
            else sums.add_(part);
        }
        return sums!.div_(tokens.shape[1]).MoveToOuterDisposeScope();
    }
}
