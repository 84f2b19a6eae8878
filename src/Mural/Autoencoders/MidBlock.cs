using Mural.Layers;
using Mural.Layers.Strips;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Mural.Autoencoders;

/// <summary>The lowest resolution of encoder and decoder: residual block, attention, residual block.</summary>
internal sealed class MidBlock : nn.Module<Tensor, Tensor>
{
    private readonly ResnetBlock _before, _after;
    private readonly MidAttention? _attention;

    internal MidBlock(int channels, int groups, bool attention, LayerFactory layers) : base(nameof(MidBlock))
    {
        _before = new ResnetBlock(channels, channels, groups, layers);
        _after = new ResnetBlock(channels, channels, groups, layers);
        this.Register("resnets", new ModuleList<ResnetBlock>(_before, _after));
        if (!attention) return;
        _attention = new MidAttention(channels, groups, layers);
        this.Register("attentions", new ModuleList<MidAttention>(_attention));
    }

    public override Tensor forward(Tensor input)
    {
        using var scope = NewDisposeScope();
        Tensor hidden = _before.forward(input);
        if (_attention is not null) hidden = _attention.forward(hidden);
        return _after.forward(hidden).MoveToOuterDisposeScope();
    }

    /// <summary>The same on a map that is looked at in strips, which is freed or becomes the result.</summary>
    internal WritableMap Run(FeatureMap input, StripRunner runner)
    {
        WritableMap hidden = _before.Run(input, runner);
        _attention?.Run(hidden, runner);
        return _after.Run(hidden, runner);
    }
}
