using Mural.Layers;
using Mural.Runtime;
using TorchSharp;
using static TorchSharp.torch;

namespace Mural.Attention;

/// <summary>Every token attends to every token of its map (spec 2.4).</summary>
internal sealed partial class SelfAttention : NamedModule, ISelfAttention, IKernelSelectable
{
    private readonly Linear _query, _key, _value, _output;
    private readonly int _heads;
    private KernelSet _kernels;

    internal SelfAttention(int channels, int heads, LayerFactory layers) : base(nameof(SelfAttention))
    {
        _heads = heads;
        _query = this.Register("to_q", layers.Linear(channels, channels, bias: false));
        _key = this.Register("to_k", layers.Linear(channels, channels, bias: false));
        _value = this.Register("to_v", layers.Linear(channels, channels, bias: false));
        _output = this.RegisterAt("to_out.0", layers.Linear(channels, channels));
    }

    void IKernelSelectable.UseKernels(KernelSet kernels) => _kernels = kernels;

    /// <inheritdoc/>
    public Tensor Forward(Tensor tokens, MapSize map)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor attended = SoftmaxAttention.Apply(_query.forward(tokens), _key.forward(tokens), _value.forward(tokens), _heads, _kernels);
        return _output.forward(attended).MoveToOuterDisposeScope();
    }
}
