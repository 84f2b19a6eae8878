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
        // On the CPU libtorch takes float32 scales beside a reduced-precision input; elsewhere the types must be equal.
        bool mixed = input.device_type == DeviceType.CPU && input.dtype is ScalarType.BFloat16 or ScalarType.Float16;
        ScalarType type = mixed ? ScalarType.Float32 : input.dtype;
        using Tensor weight = _weight.to(type), bias = _bias.to(type);
        Tensor normalised = nn.functional.group_norm(input, _groups, weight, bias, _epsilon);
        if (!_silu) return normalised;
        // In place where no gradient needs the value before SiLU.
        if (!normalised.requires_grad) return normalised.silu_();
        using (normalised) return normalised.silu();
    }
}
