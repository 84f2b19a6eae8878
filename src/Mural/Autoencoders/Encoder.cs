using Mural.Layers;
using Mural.Layers.Strips;
using TorchSharp.Modules;
using static TorchSharp.torch;
using Conv2d = Mural.Layers.Conv2d;
using GroupNorm = Mural.Layers.GroupNorm;

namespace Mural.Autoencoders;

/// <summary>Picture <c>[B, in, H, W]</c> to moments before the 1x1 convolution <c>[B, 2 latent, h, w]</c> (spec 3.1).</summary>
internal sealed class Encoder : nn.Module<Tensor, Tensor>
{
    private readonly Conv2d _input, _output;
    private readonly Stage[] _stages;
    private readonly MidBlock _middle;
    private readonly GroupNorm _norm;

    internal Encoder(AutoencoderConfig config, LayerFactory layers) : base(nameof(Encoder))
    {
        IReadOnlyList<int> channels = config.BlockOutChannels;
        int groups = config.NormGroupCount, deepest = channels[^1];
        _input = this.Register("conv_in", layers.Convolution(config.InChannels, channels[0], 3, padding: 1));
        _stages = [.. channels.Select((outputs, i) =>
            Stage.Down(channels[Math.Max(i - 1, 0)], outputs, config.LayersPerBlock, groups, layers, last: i == channels.Count - 1))];
        this.Register("down_blocks", new ModuleList<Stage>(_stages));
        _middle = this.Register("mid_block", new MidBlock(deepest, groups, config.MidBlockAttention, layers));
        _norm = this.Register("conv_norm_out", layers.GroupNorm(groups, deepest, ResnetBlock.NormEpsilon, silu: true));
        _output = this.Register("conv_out", layers.Convolution(deepest, 2 * config.LatentChannels, 3, padding: 1));
    }

    public override Tensor forward(Tensor image)
    {
        using var scope = NewDisposeScope();
        Tensor hidden = _input.forward(image.ForConvolution());
        foreach (Stage stage in _stages)
        {
            using Tensor previous = hidden;
            hidden = stage.forward(previous);
        }
        hidden = _middle.forward(hidden);
        return _output.forward(_norm.forward(hidden)).MoveToOuterDisposeScope();
    }

    /// <summary>The same on a map that is looked at in strips, which is freed. Shape: <c>[1, 2 latent, h, w]</c>.</summary>
    internal Tensor Run(FeatureMap picture, StripRunner runner)
    {
        FeatureMap hidden;
        using (picture) hidden = runner.Convolve(picture, _input);
        foreach (Stage stage in _stages) hidden = stage.Run(hidden, runner);
        using FeatureMap deepest = _middle.Run(hidden, runner);
        using var scope = NewDisposeScope();
        var rows = new List<Tensor>();
        runner.Stream(deepest, _output, _norm, (_, some) => rows.Add(some.MoveToOtherDisposeScope(scope)));
        return cat(rows, 2).MoveToOuterDisposeScope();
    }
}
