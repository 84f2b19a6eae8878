using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Mural.Layers;

/// <summary>y = x Wᵀ + b. The weight is cast to the input's type, so that float32 masters train in bfloat16.</summary>
internal sealed class Linear : nn.Module<Tensor, Tensor>
{
    private readonly Parameter _weight;
    private readonly Parameter? _bias;

    internal Linear(long inputs, long outputs, bool bias = true) : base(nameof(Linear))
    {
        double bound = 1 / Math.Sqrt(inputs);
        _weight = this.Register("weight", nn.init.uniform_(empty(outputs, inputs), -bound, bound));
        _bias = bias ? this.Register("bias", zeros(outputs)) : null;
    }

    internal Parameter Weight => _weight;

    internal Parameter? Bias => _bias;

    public override Tensor forward(Tensor input)
    {
        using Tensor weight = _weight.to(input.dtype);
        using Tensor? bias = _bias?.to(input.dtype);
        return nn.functional.linear(input, weight, bias);
    }
}
