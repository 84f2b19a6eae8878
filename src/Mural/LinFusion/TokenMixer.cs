using Mural.Attention;
using Mural.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace Mural.LinFusion;

/// <summary>A mixing of tokens that a LinFusion checkpoint can hold, for the place of a softmax attention of as many channels and heads.</summary>
internal abstract class TokenMixer(string name) : NamedModule(name), ISelfAttention
{
    /// <summary>Makes one, with weights as they are in memory unless the factory initialises them.</summary>
    internal static TokenMixer Create(LinearMixer kind, LinFusionModule module, LayerFactory layers) => kind switch
    {
        LinearMixer.LinFusion => new LinearAttention(module.Width, module.Heads, module.MlpWidth, layers),
        LinearMixer.UnnormalizedLinearAttention => new UnnormalizedLinearAttention(module.Width, module.Heads, module.MlpWidth, module.TrainingTokens!.Value, layers),
        LinearMixer.CausalLinearAttention => new CausalLinearAttention(module.Width, module.Heads, module.MlpWidth, layers),
        LinearMixer.GatedLinearAttention => new GatedLinearAttention(module.Width, module.Heads, layers),
        LinearMixer.BidirectionalMamba => new BidirectionalMamba(module.Width, layers),
        LinearMixer.Mamba2 => new Mamba2(module.Width, module.Heads, bothWays: false, layers),
        LinearMixer.BidirectionalMamba2 => new Mamba2(module.Width, module.Heads, bothWays: true, layers),
        _ => throw new ArgumentOutOfRangeException(nameof(kind), kind, null),
    };

    /// <inheritdoc/>
    public abstract Tensor Forward(Tensor tokens, MapSize map);

    /// <summary>Sets every weight: from a softmax attention what has a counterpart there, the rest as its kind is usually started.</summary>
    /// <param name="attention">The attention to start from.</param>
    /// <param name="generator">Draws what is random.</param>
    internal void StartFrom(SelfAttention attention, Generator generator)
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable guard = no_grad();
        Start(name => attention.get_parameter(name)!, generator);
    }

    /// <summary><see cref="StartFrom"/>, with the attention's weights by their names.</summary>
    protected abstract void Start(Func<string, Tensor> attention, Generator generator);

    /// <summary>Takes over the four projections of a softmax attention, where the mixer has them under the same names.</summary>
    protected void CopyProjections(Func<string, Tensor> attention)
    {
        foreach (string name in new[] { "to_q.weight", "to_k.weight", "to_v.weight", "to_out.0.weight", "to_out.0.bias" }) get_parameter(name)!.copy_(attention(name));
    }

    /// <summary>[B, N, C] to [B, N, H, d], a view.</summary>
    protected static Tensor ByHead(Tensor tokens, int heads) => tokens.unflatten(2, heads, tokens.shape[2] / heads);

    /// <summary>Draws a linear's weight, and its bias, if it has one, as PyTorch starts them.</summary>
    protected static void Draw(Linear linear, Generator generator) => DrawRows(linear.Weight, linear.Bias, generator);

    /// <inheritdoc cref="Draw"/>
    protected static void DrawRows(Tensor weight, Tensor? bias, Generator generator)
    {
        double bound = 1 / Math.Sqrt(weight.shape[1]);
        weight.uniform_(-bound, bound, generator);
        bias?.uniform_(-bound, bound, generator);
    }
}
