using Mural.Attention;
using Mural.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace Mural.LinFusion;

/// <summary>
/// LinFusion's self-attention (spec 1): normalised linear attention without an order of the tokens, whose cost grows with their number and whose result does not depend
/// on it. Without recorded gradients it walks over chunks of tokens twice, and its memory beside the result is that of a chunk.
/// </summary>
internal sealed class LinearAttention : NamedModule, ISelfAttention
{
    private readonly Linear _query, _key, _value, _output;
    private readonly InputMlp? _queryMlp, _keyMlp;

    /// <param name="channels">C.</param>
    /// <param name="heads">Divides C.</param>
    /// <param name="mlpWidth">Width of the perceptrons before queries and keys; null for none, where the tokens are doubled instead.</param>
    /// <param name="layers">Creates the layers.</param>
    internal LinearAttention(int channels, int heads, int? mlpWidth, LayerFactory layers) : base(nameof(LinearAttention))
    {
        Heads = heads;
        _query = this.Register("to_q", layers.Linear(channels, channels, bias: false));
        _key = this.Register("to_k", layers.Linear(channels, channels, bias: false));
        _value = this.Register("to_v", layers.Linear(channels, channels, bias: false));
        _output = this.RegisterAt("to_out.0", layers.Linear(channels, channels));
        if (mlpWidth is not { } width) return;
        _queryMlp = this.Register("to_q_", new InputMlp(channels, width, layers));
        _keyMlp = this.Register("to_k_", new InputMlp(channels, width, layers));
    }

    internal int Heads { get; }

    /// <inheritdoc/>
    public Tensor Forward(Tensor tokens, MapSize map)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor output = is_grad_enabled() ? Recorded(tokens) : Attend(tokens, Sums(tokens).div_(tokens.shape[1]));
        return output.MoveToOuterDisposeScope();
    }

    /// <summary>
    /// What a part of the tokens adds to the sums that every query meets. Workers that share a picture exchange these: their sum over all parts, divided by the number of
    /// all tokens, is what <see cref="Attend"/> takes.
    /// </summary>
    /// <param name="tokens">Some of the tokens. Shape: `[B, n, C]`.</param>
    /// <returns>Float32 or wider. Shape: `[B, H, d, d + 1]`.</returns>
    internal Tensor Sums(Tensor tokens)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor? sums = null;
        foreach ((long start, long count) in TokenChunks.Of(tokens.shape[1]))
        {
            using DisposeScope chunk = NewDisposeScope();
            Tensor part = Chunk(tokens, start, count);
            Tensor added = LinearKernel.Sums(Keys(part), _value.forward(part), Heads);
            if (sums is null) sums = added.MoveToOuterDisposeScope();
            else sums.add_(added);
        }
        return sums!.MoveToOuterDisposeScope();
    }

    /// <summary>The result for some of the tokens, once the sums over all are known.</summary>
    /// <param name="tokens">Some of the tokens. Shape: `[B, n, C]`.</param>
    /// <param name="means">Shape: `[B, H, d, d + 1]`.</param>
    /// <returns>Shape: `[B, n, C]`.</returns>
    internal Tensor Attend(Tensor tokens, Tensor means)
    {
        using DisposeScope scope = NewDisposeScope();
        if (tokens.shape[1] <= TokenChunks.Size) return Attended(tokens, means).MoveToOuterDisposeScope();
        Tensor output = empty(tokens.shape, tokens.dtype, tokens.device);
        foreach ((long start, long count) in TokenChunks.Of(tokens.shape[1]))
        {
            using DisposeScope chunk = NewDisposeScope();
            output.narrow(1, start, count).copy_(Attended(Chunk(tokens, start, count), means));
        }
        return output.MoveToOuterDisposeScope();
    }

    /// <summary>
    /// Starts from a softmax attention (spec 3.3): its four projections, and perceptrons that pass the tokens unchanged, because their last linears are zero.
    /// </summary>
    /// <param name="attention">The attention to start from.</param>
    /// <param name="generator">Draws the first linears.</param>
    internal void StartFrom(SelfAttention attention, Generator generator)
    {
        using IDisposable guard = no_grad();
        foreach ((string name, TorchSharp.Modules.Parameter source) in attention.named_parameters()) get_parameter(name)!.copy_(source);
        foreach (InputMlp mlp in new[] { _queryMlp, _keyMlp }.OfType<InputMlp>())
        {
            double bound = 1 / Math.Sqrt(mlp.Input.Weight.shape[1]);
            mlp.Input.Weight.uniform_(-bound, bound, generator);
            mlp.Input.Bias!.uniform_(-bound, bound, generator);
            mlp.Output.Weight.zero_();
            mlp.Output.Bias!.zero_();
        }
    }

    private Tensor Recorded(Tensor tokens) =>
        _output.forward(LinearKernelFunction.Apply(Queries(tokens), Keys(tokens), _value.forward(tokens), Heads));

    private Tensor Attended(Tensor tokens, Tensor means) => _output.forward(LinearKernel.Attend(Queries(tokens), means));

    private Tensor Queries(Tensor tokens) => _query.forward(Before(tokens, _queryMlp));

    private Tensor Keys(Tensor tokens) => _key.forward(Before(tokens, _keyMlp));

    private static Tensor Before(Tensor tokens, InputMlp? mlp) => mlp is null ? tokens + tokens : mlp.Forward(tokens);

    // Products want rows that lie together.
    private static Tensor Chunk(Tensor tokens, long start, long count) => tokens.narrow(1, start, count).contiguous();
}
