using Mural.Attention;
using Mural.HiDiffusion;
using Mural.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace Mural.UNet;

/// <summary>Self-attention, cross-attention and feed-forward, each on normalised tokens and each added to them (spec 2.4).</summary>
internal sealed partial class TransformerBlock : NamedModule
{
    private const string SelfAttentionName = "attn1";

    private readonly LayerNorm _norm1, _norm2, _norm3;
    private readonly CrossAttention _cross;
    private readonly FeedForward _feedForward;

    internal TransformerBlock(BlockPlace place, int channels, int heads, int contextWidth, LayerFactory layers) : base(nameof(TransformerBlock))
    {
        Place = place;
        Channels = channels;
        Heads = heads;
        _norm1 = this.Register("norm1", layers.LayerNorm(channels));
        SelfAttention = this.Register(SelfAttentionName, new SelfAttention(channels, heads, layers));
        _norm2 = this.Register("norm2", layers.LayerNorm(channels));
        _cross = this.Register("attn2", new CrossAttention(channels, contextWidth, heads, layers));
        _norm3 = this.Register("norm3", layers.LayerNorm(channels));
        _feedForward = this.Register("ff", new FeedForward(channels, layers));
    }

    /// <summary>The kind of self-attention that runs: softmax over all tokens, unless another has taken its place.</summary>
    internal ISelfAttention SelfAttention { get; set; }

    /// <summary>Where it stands.</summary>
    internal BlockPlace Place { get; }

    /// <summary>Features of the tokens.</summary>
    internal int Channels { get; }

    /// <summary>Heads of the attentions that the network was built with.</summary>
    internal int Heads { get; }

    /// <summary>The self-attention as the checkpoint's names know it.</summary>
    internal nn.Module SelfAttentionModule => (nn.Module)SelfAttention;

    /// <summary>Puts another kind of self-attention in the place of the one that runs, which is freed.</summary>
    internal void Replace<T>(T attention) where T : nn.Module, ISelfAttention
    {
        _internal_submodules.Remove(SelfAttentionName);
        SelfAttentionModule.Dispose();
        SelfAttention = this.Register(SelfAttentionName, attention);
    }

    /// <summary>Shapes: `[B, H·W, C]` to `[B, H·W, C]`.</summary>
    internal Tensor Forward(Tensor tokens, MapSize map, BlockInputs inputs)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor mixed = inputs.Run((part, _) => Mixed(_norm1.forward(part), map, inputs), tokens, _norm1, SelfAttention as nn.Module);
        Tensor hidden = Joined(SelfAttention, mixed, tokens, inputs);
        Tensor told = inputs.Run((part, _) => _cross.Forward(_norm2.forward(part), inputs.Prompt.For(_cross)), hidden, _norm2, _cross);
        hidden = Joined(_cross, told, hidden, inputs);
        Tensor fed = inputs.Run((part, _) => _feedForward.Forward(_norm3.forward(part)), hidden, _norm3, _feedForward);
        return Joined(_feedForward, fed, hidden, inputs).MoveToOuterDisposeScope();
    }

    // Linear attention has no need of windows, and would lose by them what it sees of the whole map.
    private Tensor Mixed(Tensor tokens, MapSize map, BlockInputs inputs) =>
        inputs.Step is { } step && SelfAttention is SelfAttention && step.Windows.TryGetValue(Place, out IReadOnlyList<int>? shifts)
            ? WindowAttention.Forward(SelfAttention, tokens, map, shifts, step.ResizesOddMaps)
            : inputs.Attend(SelfAttention, tokens, map);

    private static Tensor Joined(object part, Tensor branch, Tensor tokens, BlockInputs inputs)
    {
        inputs.Observe?.Invoke(part, branch);
        return Residual.Add(branch, tokens);
    }
}
