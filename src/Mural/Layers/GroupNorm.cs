using Mural.Kernels;
using Mural.Runtime;
using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace Mural.Layers;

/// <summary>
/// Group normalisation of a map <c>[B, C, H, W]</c>, with SiLU where it stands before the convolution of a residual block. Statistics are float32 for
/// inputs of reduced precision.
/// </summary>
internal sealed class GroupNorm : nn.Module<Tensor, Tensor>, IKernelSelectable
{
    // The names let module.to(device) put the moved tensors into the fields.
    [ComponentName(Name = "weight")]
    private readonly Parameter _weight;

    [ComponentName(Name = "bias")]
    private readonly Parameter _bias;
    private readonly long _groups;
    private readonly double _epsilon;
    private readonly bool _silu;
    private KernelSet _kernels = KernelSet.Mural;

    internal GroupNorm(long groups, long channels, double epsilon, bool silu = false, Device? device = null) : base(nameof(GroupNorm))
    {
        _groups = groups;
        _epsilon = epsilon;
        _silu = silu;
        _weight = this.Register("weight", ones(channels, device: device));
        _bias = this.Register("bias", zeros(channels, device: device));
    }

    void IKernelSelectable.UseKernels(KernelSet kernels) => _kernels = kernels;

    public override Tensor forward(Tensor input) => GroupNormalization.Apply(input, _groups, _weight, _bias, _epsilon, _silu, _kernels);
}
