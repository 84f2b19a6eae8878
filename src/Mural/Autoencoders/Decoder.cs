using Mural.Layers;
using Mural.Layers.Strips;
using TorchSharp.Modules;
using static TorchSharp.torch;
using Conv2d = Mural.Layers.Conv2d;
using GroupNorm = Mural.Layers.GroupNorm;

namespace Mural.Autoencoders;

/// <summary>Latent after the 1x1 convolution <c>[B, latent, h, w]</c> to picture <c>[B, out, H, W]</c> (spec 3.1).</summary>
internal sealed class Decoder : nn.Module<Tensor, Tensor>
{
    private readonly Conv2d _input, _output;
    private readonly MidBlock _middle;
    private readonly Stage[] _stages;
    private readonly GroupNorm _norm;

    internal Decoder(AutoencoderConfig config, LayerFactory layers) : base(nameof(Decoder))
    {
        int[] channels = [.. config.BlockOutChannels.Reverse()];
        int groups = config.NormGroupCount;
        _input = this.Register("conv_in", layers.Convolution(config.LatentChannels, channels[0], 3, padding: 1));
        _middle = this.Register("mid_block", new MidBlock(channels[0], groups, config.MidBlockAttention, layers));
        // One residual block more than the encoder has.
        _stages = [.. channels.Select((outputs, i) =>
            Stage.Up(channels[Math.Max(i - 1, 0)], outputs, config.LayersPerBlock + 1, groups, layers, last: i == channels.Length - 1))];
        this.Register("up_blocks", new ModuleList<Stage>(_stages));
        _norm = this.Register("conv_norm_out", layers.GroupNorm(groups, channels[^1], ResnetBlock.NormEpsilon, silu: true));
        _output = this.Register("conv_out", layers.Convolution(channels[^1], config.OutChannels, 3, padding: 1));
    }

    public override Tensor forward(Tensor latent)
    {
        using var scope = NewDisposeScope();
        Tensor hidden = _middle.forward(_input.forward(latent.ForConvolution()));
        foreach (Stage stage in _stages)
        {
            using Tensor previous = hidden;
            hidden = stage.forward(previous);
        }
        return _output.forward(_norm.forward(hidden)).MoveToOuterDisposeScope();
    }

    /// <summary>The same on a map that is looked at in strips, which is freed.</summary>
    /// <param name="latent">The latent.</param>
    /// <param name="runner">Runs the layers.</param>
    /// <param name="take">Gets the picture's rows, given the first of them, from top to bottom.</param>
    internal void Run(FeatureMap latent, StripRunner runner, Action<long, Tensor> take)
    {
        FeatureMap hidden;
        using (latent) hidden = runner.Convolve(latent, _input);
        hidden = _middle.Run(hidden, runner);
        foreach (Stage stage in _stages) hidden = stage.Run(hidden, runner);
        using (hidden) runner.Stream(hidden, _output, _norm, take);
    }
}
