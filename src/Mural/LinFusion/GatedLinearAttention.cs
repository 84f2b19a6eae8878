using Mural.Attention;
using Mural.Kernels;
using Mural.Layers;
using Mural.Runtime;
using TorchSharp;
using static TorchSharp.torch;

namespace Mural.LinFusion;

/// <summary>
/// Gated linear attention (arXiv 2312.06635): S_t = diag(α_t) S_{t-1} + k_tᵀ v_t, o_t = q_t S_t / √d, with α = σ(x W₁ W₂ + b)^(1/16); each head's result passes an RMS
/// norm and is multiplied by SiLU(x W_g) before the last projection. Projections have the names and sizes of the softmax attention that it replaces.
/// </summary>
internal sealed class GatedLinearAttention : TokenMixer, IKernelSelectable
{
    // The paper's: width between the two linears that give the decays, the root that keeps them near 1, and the norm's epsilon.
    private const int GateRank = 16;
    private const double GateRoot = 16, NormEpsilon = 1e-5;

    private readonly Linear _query, _key, _value, _gate, _decayIn, _decayOut, _output;
    private readonly ScaleWeight _norm;
    private readonly int _heads;
    private KernelSet _kernels;

    internal GatedLinearAttention(int channels, int heads, LayerFactory layers) : base(nameof(GatedLinearAttention))
    {
        _heads = heads;
        _query = this.Register("to_q", layers.Linear(channels, channels, bias: false));
        _key = this.Register("to_k", layers.Linear(channels, channels, bias: false));
        _value = this.Register("to_v", layers.Linear(channels, channels, bias: false));
        _gate = this.Register("g_proj", layers.Linear(channels, channels, bias: false));
        _decayIn = this.RegisterAt("gk_proj.0", layers.Linear(channels, GateRank, bias: false));
        _decayOut = this.RegisterAt("gk_proj.1", layers.Linear(GateRank, channels));
        _norm = this.Register("g_norm", new ScaleWeight(channels / heads, layers.Device));
        _output = this.RegisterAt("to_out.0", layers.Linear(channels, channels));
    }

    void IKernelSelectable.UseKernels(KernelSet kernels) => _kernels = kernels;

    /// <inheritdoc/>
    public override Tensor Forward(Tensor tokens, MapSize map)
    {
        using DisposeScope scope = NewDisposeScope();
        ScalarType wide = PositiveFeatures.Accumulation(tokens.dtype);
        Tensor decay = nn.functional.logsigmoid(_decayOut.forward(_decayIn.forward(tokens)).to(wide)) / GateRoot;
        Tensor queries = ByHead(_query.forward(tokens), _heads).to(wide);
        Tensor mixed = DecayingScan.Apply(
            queries / Math.Sqrt(queries.shape[3]), ByHead(_key.forward(tokens), _heads), ByHead(_value.forward(tokens), _heads), ByHead(decay, _heads));
        Tensor normed = ModulatedRmsNorm.Apply(mixed.flatten(1, 2), _norm.Weight, NormEpsilon, null, null, tokens.dtype, _kernels).view(tokens.shape);
        return _output.forward(normed * nn.functional.silu(_gate.forward(tokens))).MoveToOuterDisposeScope();
    }

    protected override void Start(Func<string, Tensor> attention, Generator generator)
    {
        CopyProjections(attention);
        foreach (Linear linear in new[] { _gate, _decayIn, _decayOut }) Draw(linear, generator);
    }
}
