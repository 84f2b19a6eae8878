using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Mural.Layers;

/// <summary>
/// Group normalisation, optionally followed by SiLU: the pair stands before every convolution of a residual block, and is one pass over memory
/// where a fused kernel exists. Statistics are float32 for inputs of reduced precision.
/// </summary>
internal sealed class GroupNorm : nn.Module<Tensor, Tensor>
{
    private readonly Parameter _weight;
    private readonly Parameter _bias;
    private readonly long _groups;
    private readonly double _epsilon;
    private readonly bool _silu;

    internal GroupNorm(long groups, long channels, double epsilon, bool silu = false) : base(nameof(GroupNorm))
    {
        _groups = groups;
        _epsilon = epsilon;
        _silu = silu;
        _weight = this.Register("weight", ones(channels));
        _bias = this.Register("bias", zeros(channels));
    }

    public override Tensor forward(Tensor input)
    {
        using var scope = NewDisposeScope();
        // On the CPU libtorch takes float32 scales beside a reduced-precision input; elsewhere the types must be equal.
        bool cpu = input.device_type == DeviceType.CPU, reduced = input.dtype is ScalarType.BFloat16 or ScalarType.Float16;
        ScalarType type = cpu && reduced ? ScalarType.Float32 : input.dtype;
        bool differentiated = is_grad_enabled() && (input.requires_grad || _weight.requires_grad);
        // libtorch's channels-last kernel loses digits where the mean is large, and its derivative takes tens of times longer than the planar one's.
        bool planar = cpu && (differentiated || !reduced);
        Tensor normalised = nn.functional.group_norm(planar ? input.contiguous() : input, _groups, _weight.to(type), _bias.to(type), _epsilon);
        if (_silu) normalised = normalised.requires_grad ? normalised.silu() : normalised.silu_();
        return (planar ? normalised.ForConvolution() : normalised).MoveToOuterDisposeScope();
    }
}
