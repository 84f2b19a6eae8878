using Mural.Kernels;
using Mural.Layers.Strips;
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

    /// <summary>The norm of a map that is not in memory as a whole, from what is known of all of it.</summary>
    internal MapNorm Of(ChannelMoments moments) => new(moments, _groups, _weight, _bias, _epsilon, _silu);

    void IKernelSelectable.UseKernels(KernelSet kernels) => _kernels = kernels;

    /// <summary>The same for a part of a map whose groups reach over all parts.</summary>
    /// <param name="part">Some rows of the map. Shape: `[B, C, h, W]`.</param>
    /// <param name="total">Adds up what all parts say.</param>
    internal Tensor Forward(Tensor part, Func<Tensor, Tensor> total)
    {
        using TorchSharp.DisposeScope scope = NewDisposeScope();
        Tensor wide = part.to(part.dtype == ScalarType.Float64 ? ScalarType.Float64 : ScalarType.Float32), groups = wide.contiguous().view(part.shape[0], _groups, -1);
        // Moments about each part's own mean lose no digits; they are joined in double precision.
        Tensor mean = groups.mean([2], keepdim: true), variance = (groups - mean).square().mean([2]).to(ScalarType.Float64);
        Tensor center = mean.squeeze(2).to(ScalarType.Float64), count = full_like(center, groups.shape[2]);
        Tensor sums = total(stack([count, count * center, count * (variance + center.square())]));
        Tensor shared = sums[1] / sums[0], scale = (sums[2] / sums[0] - shared.square() + _epsilon).rsqrt();
        Tensor ByChannel(Tensor ofGroups) => ofGroups.repeat_interleave(part.shape[1] / _groups, dim: 1);
        Tensor factor = ByChannel(scale) * _weight.to(ScalarType.Float64), addend = _bias.to(ScalarType.Float64) - ByChannel(shared) * factor;
        Tensor output = wide * factor.to(wide.dtype).unsqueeze(-1).unsqueeze(-1) + addend.to(wide.dtype).unsqueeze(-1).unsqueeze(-1);
        return (_silu ? output.silu() : output).to(part.dtype).MoveToOuterDisposeScope();
    }

    public override Tensor forward(Tensor input) => GroupNormalization.Apply(input, _groups, _weight, _bias, _epsilon, _silu, _kernels);
}
