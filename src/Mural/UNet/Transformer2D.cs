using Mural.Attention;
using Mural.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace Mural.UNet;

/// <summary>Transformer blocks on the positions of a feature map, between two projections, added to the map (spec 2.4).</summary>
internal sealed partial class Transformer2D : NamedModule
{
    private const double NormEpsilon = 1e-6;

    private readonly GroupNorm _norm;
    // Linears, or 1x1 convolutions: the same arithmetic, under weights of another shape.
    private readonly WeightedLayer _input, _output;
    private readonly TransformerBlock[] _blocks;

    /// <param name="path">On which way it stands.</param>
    /// <param name="level">At which level.</param>
    /// <param name="index">Which of the level it is.</param>
    /// <param name="config">The network.</param>
    /// <param name="layers">Creates the layers.</param>
    internal Transformer2D(BlockPath path, int level, int index, UNetConfig config, LayerFactory layers) : base(nameof(Transformer2D))
    {
        (int channels, int heads) = (config.BlockOutChannels[level], config.AttentionHeads[level]);
        WeightedLayer Projection() => config.UseLinearProjection ? layers.Linear(channels, channels) : layers.Convolution(channels, channels, 1);
        _norm = this.Register("norm", layers.GroupNorm(config.NormGroupCount, channels, NormEpsilon));
        _input = this.Register("proj_in", Projection());
        _blocks = [.. Enumerable.Range(0, config.TransformerLayers[level]).Select(i => this.RegisterAt(
            $"transformer_blocks.{i}", new TransformerBlock(new BlockPlace(path, level, index, i), channels, heads, config.CrossAttentionWidth, layers)))];
        _output = this.Register("proj_out", Projection());
    }

    /// <summary>Shapes: `[B, C, H, W]` to `[B, C, H, W]`.</summary>
    internal Tensor Forward(Tensor input, BlockInputs inputs)
    {
        using DisposeScope scope = NewDisposeScope();
        MapSize map = MapSize.Of(input);
        Tensor normalised = inputs.Normalise(_norm, input);
        Tensor tokens = _input is Linear ? _input.forward(Tokens(normalised)) : Tokens(_input.forward(normalised));
        foreach (TransformerBlock block in _blocks)
        {
            using Tensor previous = tokens;
            tokens = block.Forward(previous, map, inputs);
        }
        Tensor output = _output is Linear ? Map(_output.forward(tokens), map) : _output.forward(Map(tokens, map));
        Tensor sum = Residual.Add(output, input);
        inputs.Observe?.Invoke(this, sum);
        return sum.MoveToOuterDisposeScope();
    }

    // [B, C, H, W] -> [B, H·W, C]: a view of a channels-last map.
    private static Tensor Tokens(Tensor map) => map.permute(0, 2, 3, 1).flatten(1, 2);

    private static Tensor Map(Tensor tokens, MapSize map) => tokens.reshape(tokens.shape[0], map.Height, map.Width, tokens.shape[2]).permute(0, 3, 1, 2);
}
