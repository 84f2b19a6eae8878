using Mural.Layers;
using static TorchSharp.torch;

namespace Mural.LinFusion;

/// <summary>
/// What the linear attentions with φ have in common (spec 1.1): the four projections of the softmax attention that they replace, and perceptrons before queries and keys.
/// </summary>
internal abstract class FeatureAttention : TokenMixer
{
    private readonly Linear _query, _key, _value, _output;
    private readonly InputMlp? _queryMlp, _keyMlp;

    /// <param name="name">The kind's name.</param>
    /// <param name="channels">C.</param>
    /// <param name="heads">Divides C.</param>
    /// <param name="mlpWidth">Width of the perceptrons before queries and keys; null for none, where the tokens are doubled instead.</param>
    /// <param name="layers">Creates the layers.</param>
    private protected FeatureAttention(string name, int channels, int heads, int? mlpWidth, LayerFactory layers) : base(name)
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

    /// <summary>The weights between tokens and queries, and those of the last projection.</summary>
    internal IEnumerable<Tensor> QueryWeights => Weights(_query, _queryMlp, _output);

    /// <summary>The weights between tokens and keys, and between tokens and values.</summary>
    internal IEnumerable<Tensor> KeyWeights => Weights(_key, _keyMlp, _value);

    /// <summary>Before φ. Shapes: `[B, n, C]` to `[B, n, C]`.</summary>
    private protected Tensor Queries(Tensor tokens) => _query.forward(Before(tokens, _queryMlp));

    /// <inheritdoc cref="Queries"/>
    private protected Tensor Keys(Tensor tokens) => _key.forward(Before(tokens, _keyMlp));

    private protected Tensor Values(Tensor tokens) => _value.forward(tokens);

    /// <summary>The last projection.</summary>
    private protected Tensor Project(Tensor mixed) => _output.forward(mixed);

    /// <summary>The four projections of the softmax attention, and perceptrons that pass the tokens unchanged, because their last linears are zero (spec 3.3).</summary>
    protected override void Start(Func<string, Tensor> attention, Generator generator)
    {
        CopyProjections(attention);
        foreach (InputMlp mlp in new[] { _queryMlp, _keyMlp }.OfType<InputMlp>())
        {
            Draw(mlp.Input, generator);
            mlp.Output.Weight.zero_();
            mlp.Output.Bias!.zero_();
        }
    }

    private static IEnumerable<Tensor> Weights(params nn.Module?[] modules) => modules.OfType<nn.Module>().SelectMany(module => module.parameters());

    private static Tensor Before(Tensor tokens, InputMlp? mlp) => mlp is null ? tokens + tokens : mlp.Forward(tokens);
}
