using Mural.Attention;
using Mural.Runtime;
using TorchSharp;
using static TorchSharp.torch;

namespace Mural.Layers.Clip;

/// <summary>Multi-head self-attention; in a text encoder a token sees itself and those before it (spec 4.1).</summary>
internal sealed class ClipAttention : NamedModule, IFreezable, IKernelSelectable
{
    private readonly Linear _query, _key, _value, _output;
    private readonly int _heads;
    private readonly bool _causal;
    private Linear? _joined;
    private KernelSet _kernels;

    internal ClipAttention(ClipTransformerConfig config, bool causal, LayerFactory layers) : base(nameof(ClipAttention))
    {
        _heads = config.Heads;
        _causal = causal;
        _query = this.Register("q_proj", layers.Linear(config.Width, config.Width));
        _key = this.Register("k_proj", layers.Linear(config.Width, config.Width));
        _value = this.Register("v_proj", layers.Linear(config.Width, config.Width));
        _output = this.Register("out_proj", layers.Linear(config.Width, config.Width));
    }

    void IKernelSelectable.UseKernels(KernelSet kernels) => _kernels = kernels;

    /// <summary>Tokens to tokens, <c>[B, L, D]</c>.</summary>
    internal Tensor Forward(Tensor input)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor[] parts = _joined is null
            ? [_query.forward(input), _key.forward(input), _value.forward(input)]
            : _joined.forward(input).chunk(3, -1);
        return _output.forward(SoftmaxAttention.Apply(parts[0], parts[1], parts[2], _heads, _kernels, _causal)).MoveToOuterDisposeScope();
    }

    // One product over the same input costs less than three.
    void IFreezable.Freeze(KernelSet kernels, ScalarType type)
    {
        if (_joined is not null) return;
        _joined = Linear.Join(_query, _key, _value);
        _joined.Freeze(kernels, type);
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing) _joined?.Dispose();
        base.Dispose(disposing);
    }
}
