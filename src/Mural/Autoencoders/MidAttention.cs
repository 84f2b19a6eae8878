using Mural.Attention;
using Mural.Layers;
using Mural.Runtime;
using TorchSharp.Modules;
using static TorchSharp.torch;
using GroupNorm = Mural.Layers.GroupNorm;
using Linear = Mural.Layers.Linear;

namespace Mural.Autoencoders;

/// <summary>Single-head self-attention over all positions of the feature map, with a residual (spec 3.1).</summary>
internal sealed class MidAttention : nn.Module<Tensor, Tensor>, IKernelSelectable
{
    private readonly GroupNorm _norm;
    private readonly Linear _query, _key, _value, _output;
    private KernelSet _kernels;

    internal MidAttention(int channels, int groups, LayerFactory layers) : base(nameof(MidAttention))
    {
        _norm = this.Register("group_norm", layers.GroupNorm(groups, channels, ResnetBlock.NormEpsilon));
        _query = this.Register("to_q", Projection(channels, layers));
        _key = this.Register("to_k", Projection(channels, layers));
        _value = this.Register("to_v", Projection(channels, layers));
        _output = Projection(channels, layers);
        this.Register("to_out", new ModuleList<Linear>(_output));
    }

    void IKernelSelectable.UseKernels(KernelSet kernels) => _kernels = kernels;

    public override Tensor forward(Tensor input)
    {
        using var scope = NewDisposeScope();
        long batch = input.shape[0], channels = input.shape[1], height = input.shape[2], width = input.shape[3];
        // [B, C, H, W] -> [B, H*W, C]: a view of a channels-last map.
        Tensor tokens = _norm.forward(input).permute(0, 2, 3, 1).reshape(batch, height * width, channels);
        Tensor attended = SoftmaxAttention.Apply(_query.forward(tokens), _key.forward(tokens), _value.forward(tokens), heads: 1, _kernels);
        Tensor output = _output.forward(attended).reshape(batch, height, width, channels).permute(0, 3, 1, 2);
        return (input + output).MoveToOuterDisposeScope();
    }

    private static Linear Projection(int channels, LayerFactory layers)
    {
        Linear projection = layers.Linear(channels, channels);
        if (!layers.Initialize) return projection;
        double bound = 1 / Math.Sqrt(channels);
        nn.init.uniform_(projection.Bias!, -bound, bound);
        return projection;
    }
}
