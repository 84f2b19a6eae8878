using TorchSharp;
using static TorchSharp.torch;

namespace Mural.Attention;

internal sealed partial class SelfAttention
{
    /// <summary>Keys and values of all tokens, computed some at a time.</summary>
    /// <param name="tokens">Shape: `[1, N, C]`.</param>
    /// <param name="norm">What is done to them before.</param>
    /// <param name="chunks">Where each part begins and how many tokens it has.</param>
    internal (Tensor Keys, Tensor Values) KeysAndValues(Tensor tokens, Func<Tensor, Tensor> norm, IEnumerable<(long Start, long Count)> chunks)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor keys = empty(tokens.shape, tokens.dtype, tokens.device), values = empty(tokens.shape, tokens.dtype, tokens.device);
        foreach ((long start, long count) in chunks)
        {
            using DisposeScope chunk = NewDisposeScope();
            Tensor some = norm(tokens.narrow(1, start, count));
            keys.narrow(1, start, count).copy_(_key.forward(some));
            values.narrow(1, start, count).copy_(_value.forward(some));
        }
        return (keys.MoveToOuterDisposeScope(), values.MoveToOuterDisposeScope());
    }

    /// <summary>What some of the tokens get of all. Shape: `[1, n, C]`.</summary>
    internal Tensor Attend(Tensor tokens, Tensor keys, Tensor values)
    {
        using DisposeScope scope = NewDisposeScope();
        return _output.forward(SoftmaxAttention.Apply(_query.forward(tokens), keys, values, _heads, _kernels)).MoveToOuterDisposeScope();
    }
}
