using TorchSharp;
using static TorchSharp.torch;

namespace Mural.Layers.Clip;

/// <summary>One block of a CLIP transformer: attention and two linear layers, each after a norm and added to its input (spec 4.1).</summary>
internal sealed class ClipBlock : NamedModule
{
    private readonly LayerNorm _norm1, _norm2;
    private readonly ClipAttention _attention;
    private readonly ClipFeedForward _feedForward;

    internal ClipBlock(ClipTransformerConfig config, bool causal, LayerFactory layers) : base(nameof(ClipBlock))
    {
        _attention = this.Register("self_attn", new ClipAttention(config, causal, layers));
        _norm1 = this.Register("layer_norm1", new LayerNorm(config.Width, config.NormEpsilon, layers.Device));
        _feedForward = this.Register("mlp", new ClipFeedForward(config, layers));
        _norm2 = this.Register("layer_norm2", new LayerNorm(config.Width, config.NormEpsilon, layers.Device));
    }

    /// <summary>Tokens to tokens, <c>[B, L, D]</c>.</summary>
    internal Tensor Forward(Tensor input)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor attended = input + _attention.Forward(_norm1.forward(input));
        return (attended + _feedForward.Forward(_norm2.forward(attended))).MoveToOuterDisposeScope();
    }
}

/// <summary>Linear, activation, linear.</summary>
internal sealed class ClipFeedForward : NamedModule
{
    private readonly Linear _first, _second;
    private readonly ClipActivation _activation;

    internal ClipFeedForward(ClipTransformerConfig config, LayerFactory layers) : base(nameof(ClipFeedForward))
    {
        _activation = config.Activation;
        _first = this.Register("fc1", layers.Linear(config.Width, config.Inner));
        _second = this.Register("fc2", layers.Linear(config.Inner, config.Width));
    }

    /// <summary>Tokens to tokens, <c>[B, L, D]</c>.</summary>
    internal Tensor Forward(Tensor input)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor inner = _first.forward(input);
        Tensor activated = _activation == ClipActivation.Gelu ? nn.functional.gelu(inner) : inner * (inner * 1.702).sigmoid();
        return _second.forward(activated).MoveToOuterDisposeScope();
    }
}
