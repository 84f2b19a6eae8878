using Mural.Layers.OneDnn;
using Mural.Runtime;
using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace Mural.Layers;

/// <summary>
/// A layer with a weight and perhaps a bias. While it can be trained, both are cast to the input's type, so that float32 masters train in
/// bfloat16; frozen for inference, it holds them once, in the type and layout of the run.
/// </summary>
internal abstract partial class WeightedLayer : nn.Module<Tensor, Tensor>, IFreezable
{
    // The names let module.to(device) put the moved tensors into the fields.
    [ComponentName(Name = "weight")]
    private readonly Parameter _weight;

    [ComponentName(Name = "bias")]
    private readonly Parameter? _bias;
    private Tensor? _frozenWeight, _frozenBias;
    private bool _packed, _released;

    private protected WeightedLayer(string name, Tensor weight, Tensor? bias) : base(name)
    {
        WeightShape = weight.shape;
        _weight = this.Register("weight", weight);
        _bias = bias is null ? null : this.Register("bias", bias);
    }

    /// <summary>The type of this layer's inputs where it is another than the run's, such as float32 in an output head; freezing keeps to it.</summary>
    internal ScalarType? Type { get; init; }

    /// <summary>The weight's shape, whatever form its values are held in.</summary>
    internal long[] WeightShape { get; }

    internal Parameter Weight => _weight;

    internal Parameter? Bias => _bias;

    private protected abstract Tensor Plain(Tensor input, Tensor weight, Tensor? bias);

    private protected abstract Tensor Packed(Tensor input, Tensor weight, Tensor? bias);

    private protected abstract Tensor Pack(Tensor weight);

    /// <summary>Whether packing the weight pays on this processor.</summary>
    private protected virtual bool PackingPays => true;

    /// <summary>The weight as <see cref="Plain"/> takes it fastest: an alias, or a copy in another order.</summary>
    private protected virtual Tensor Arrange(Tensor weight) => weight.alias();

    public override Tensor forward(Tensor input)
    {
        if (_packed) return Packed(input, _frozenWeight!, _frozenBias);
        // An unpacked frozen layer still takes other types than the run's: what overflows in float16 is repeated in float32.
        using Tensor weight = (_frozenWeight ?? _weight).to(input.dtype);
        using Tensor? bias = (_frozenWeight is null ? _bias : _frozenBias)?.to(input.dtype);
        return Plain(input, weight, bias);
    }

    void IFreezable.Freeze(KernelSet kernels, ScalarType type)
    {
        if (_released) return;
        using IDisposable guard = no_grad();
        type = Type ?? type;
        bool served = kernels == KernelSet.Mural && PackedOperators.Serves(_weight, type);
        _packed = served && PackingPays;
        using (Tensor weight = _weight.to(type))
            _frozenWeight = (_packed ? Pack(weight) : served ? Arrange(weight) : weight.alias()).DetachFromDisposeScope();
        _frozenBias = _bias?.to(type).DetachFromDisposeScope();
        Release();
    }

    /// <summary>Lets the weights go, once they are held in the form that runs: here, or in another layer.</summary>
    private protected void Release()
    {
        _released = true;
        // Changes that were made before are there to stay: their originals have the form that is let go.
        _own?.Dispose();
        _own = null;
        _internal_params.Remove("weight");
        _weight.Dispose();
        if (_bias is null) return;
        _internal_params.Remove("bias");
        _bias.Dispose();
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _frozenWeight?.Dispose();
            _frozenBias?.Dispose();
            _own?.Dispose();
        }
        base.Dispose(disposing);
    }

    /// <summary>A tensor to start from: PyTorch's default for weights and convolution biases, uniform in ±1/√(inputs that reach one output).</summary>
    /// <param name="initialize">False leaves the numbers as they are in memory, for a checkpoint to fill.</param>
    /// <param name="type">The tensor's type.</param>
    /// <param name="device">Where it lives, or null for the CPU; its numbers are the same everywhere.</param>
    /// <param name="fanIn">Inputs that reach one output.</param>
    /// <param name="shape">The tensor's shape.</param>
    private protected static Tensor Start(bool initialize, ScalarType type, Device? device, double fanIn, params long[] shape)
    {
        if (!initialize) return empty(shape, type, device);
        double bound = 1 / Math.Sqrt(fanIn);
        return nn.init.uniform_(empty(shape, type), -bound, bound).to(device ?? CPU, disposeAfter: true);
    }
}
