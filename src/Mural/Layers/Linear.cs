using Mural.Layers.OneDnn;
using Mural.Runtime;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Mural.Layers;

/// <summary>
/// y = x Wᵀ + b. While it can be trained, its weight is cast to the input's type, so that float32 masters train in bfloat16;
/// frozen for inference, it holds the weight once, in the type and layout of the run.
/// </summary>
internal sealed class Linear : nn.Module<Tensor, Tensor>, IFreezable
{
    private readonly Parameter _weight;
    private readonly Parameter? _bias;
    private Tensor? _frozenWeight, _frozenBias;
    private bool _packed;

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
        if (_frozenWeight is not null)
        {
            return _packed ? PackedOperators.Linear(input, _frozenWeight, _frozenBias) : nn.functional.linear(input, _frozenWeight, _frozenBias);
        }
        using Tensor weight = _weight.to(input.dtype);
        using Tensor? bias = _bias?.to(input.dtype);
        return nn.functional.linear(input, weight, bias);
    }

    void IFreezable.Freeze(KernelSet kernels, ScalarType type)
    {
        if (_frozenWeight is not null) return;
        using IDisposable guard = no_grad();
        _packed = kernels == KernelSet.Mural && PackedOperators.Serves(_weight, type);
        using (Tensor weight = _weight.to(type))
            _frozenWeight = (_packed ? PackedOperators.PackLinear(weight) : weight.alias()).DetachFromDisposeScope();
        _frozenBias = _bias?.to(type).DetachFromDisposeScope();
        ReleaseParameters();
    }

    private void ReleaseParameters()
    {
        _internal_params.Remove("weight");
        if (_bias is not null) _internal_params.Remove("bias");
        _weight.Dispose();
        _bias?.Dispose();
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _frozenWeight?.Dispose();
            _frozenBias?.Dispose();
        }
        base.Dispose(disposing);
    }
}
