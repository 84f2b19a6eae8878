using Mural.Attention;
using Mural.Kernels;
using Mural.Layers;
using Mural.Runtime;
using TorchSharp;
using static TorchSharp.torch;

namespace Mural.LinFusion;

/// <summary>
/// Mamba-2 (arXiv 2405.21060) with a head for each head of the attention that it replaces, and a group of B and C for each: B is the attention's key, C its query and the
/// input its value. One projection gives gate, values, B, C and steps; values, B and C pass a causal convolution; S_t = exp(δ_t A) S_{t-1} + δ_t B_tᵀ x_t,
/// y_t = C_t S_t + D x_t; the result times SiLU(gate) passes an RMS norm and the last projection.
/// </summary>
internal sealed class Mamba2 : TokenMixer, IKernelSelectable
{
    private const double NormEpsilon = 1e-5;

    private readonly Linear _input, _output;
    private readonly Mamba2Scan _scan;
    private readonly Mamba2Scan? _back;
    private readonly ScaleWeight _norm;
    private readonly int _channels, _heads;
    private KernelSet _kernels;

    internal Mamba2(int channels, int heads, bool bothWays, LayerFactory layers) : base(nameof(Mamba2))
    {
        (_channels, _heads) = (channels, heads);
        _input = this.Register("in_proj", layers.Linear(channels, 4 * channels + heads, bias: false));
        _scan = this.Register("scan", new Mamba2Scan(channels, heads, layers.Device));
        if (bothWays) _back = this.Register("backward_scan", new Mamba2Scan(channels, heads, layers.Device));
        _norm = this.Register("norm", new ScaleWeight(channels, layers.Device));
        _output = this.Register("out_proj", layers.Linear(channels, channels));
    }

    void IKernelSelectable.UseKernels(KernelSet kernels) => _kernels = kernels;

    /// <inheritdoc/>
    public override Tensor Forward(Tensor tokens, MapSize map)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor[] parts = _input.forward(tokens).split([_channels, 3 * _channels, _heads], 2);
        Tensor mixed = _scan.Forward(parts[1], parts[2], _kernels);
        if (_back is not null) mixed = mixed + _back.Forward(parts[1].flip(1), parts[2].flip(1), _kernels).flip(1);
        Tensor gated = mixed * nn.functional.silu(parts[0].to(mixed.dtype));
        return _output.forward(ModulatedRmsNorm.Apply(gated, _norm.Weight, NormEpsilon, null, null, tokens.dtype, _kernels)).MoveToOuterDisposeScope();
    }

    // Values, keys and queries of the attention become x, B and C.
    protected override void Start(Func<string, Tensor> attention, Generator generator)
    {
        DrawRows(_input.Weight, null, generator);
        void Copy(int part, string name) => _input.Weight.narrow(0, part * _channels, _channels).copy_(attention(name));
        Copy(1, "to_v.weight");
        Copy(2, "to_k.weight");
        Copy(3, "to_q.weight");
        _output.Weight.copy_(attention("to_out.0.weight"));
        _output.Bias!.copy_(attention("to_out.0.bias"));
        foreach (Mamba2Scan scan in new[] { _scan, _back }.OfType<Mamba2Scan>()) scan.Start(generator);
    }
}
