using Mural.Kernels;
using Mural.Runtime;
using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace Mural.Layers;

/// <summary>Layer normalisation over the last dimension. Statistics are float32 for inputs of reduced precision.</summary>
internal sealed class LayerNorm : nn.Module<Tensor, Tensor>, IKernelSelectable
{
    // The names let module.to(device) put the moved tensors into the fields.
    [ComponentName(Name = "weight")]
    private readonly Parameter _weight;

    [ComponentName(Name = "bias")]
    private readonly Parameter _bias;
    private readonly double _epsilon;
    private KernelSet _kernels;

    internal LayerNorm(long width, double epsilon = 1e-5, Device? device = null) : base(nameof(LayerNorm))
    {
        _epsilon = epsilon;
        _weight = this.Register("weight", ones(width, device: device));
        _bias = this.Register("bias", zeros(width, device: device));
    }

    void IKernelSelectable.UseKernels(KernelSet kernels) => _kernels = kernels;

    public override Tensor forward(Tensor input) => LayerNormalization.Apply(input, _weight, _bias, _epsilon, _kernels);
}
