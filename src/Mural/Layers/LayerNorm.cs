using TorchSharp;
using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace Mural.Layers;

/// <summary>Layer normalisation over the last dimension. Statistics are float32 for inputs of reduced precision.</summary>
internal sealed class LayerNorm : nn.Module<Tensor, Tensor>
{
    // The names let module.to(device) put the moved tensors into the fields.
    [ComponentName(Name = "weight")]
    private readonly Parameter _weight;

    [ComponentName(Name = "bias")]
    private readonly Parameter _bias;
    private readonly double _epsilon;

    internal LayerNorm(long width, double epsilon = 1e-5, Device? device = null) : base(nameof(LayerNorm))
    {
        _epsilon = epsilon;
        _weight = this.Register("weight", ones(width, device: device));
        _bias = this.Register("bias", zeros(width, device: device));
    }

    public override Tensor forward(Tensor input)
    {
        // On the CPU libtorch takes float32 scales beside a reduced-precision input; elsewhere the types must be equal.
        ScalarType type = input.device_type == DeviceType.CPU && input.dtype is ScalarType.BFloat16 or ScalarType.Float16 ? ScalarType.Float32 : input.dtype;
        using Tensor weight = _weight.to(type), bias = _bias.to(type);
        return nn.functional.layer_norm(input, [input.shape[^1]], weight, bias, _epsilon);
    }
}
