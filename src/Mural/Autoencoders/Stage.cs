using Mural.Layers;
using Mural.Layers.Strips;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Mural.Autoencoders;

/// <summary>Residual blocks of one resolution, then the step to the next one: a down block of the encoder or an up block of the decoder.</summary>
internal sealed class Stage : nn.Module<Tensor, Tensor>
{
    private readonly ResnetBlock[] _blocks;
    private readonly nn.Module<Tensor, Tensor>? _resampler;

    private Stage(int inputs, int outputs, int count, int groups, LayerFactory layers, string resamplerName, nn.Module<Tensor, Tensor>? resampler) : base(nameof(Stage))
    {
        _blocks = [.. Enumerable.Range(0, count).Select(i => new ResnetBlock(i == 0 ? inputs : outputs, outputs, groups, layers))];
        this.Register("resnets", new ModuleList<ResnetBlock>(_blocks));
        _resampler = resampler;
        if (resampler is not null) this.Register(resamplerName, new ModuleList<nn.Module<Tensor, Tensor>>(resampler));
    }

    internal static Stage Down(int inputs, int outputs, int count, int groups, LayerFactory layers, bool last) =>
        new(inputs, outputs, count, groups, layers, "downsamplers", last ? null : new Downsampler(outputs, layers));

    internal static Stage Up(int inputs, int outputs, int count, int groups, LayerFactory layers, bool last) =>
        new(inputs, outputs, count, groups, layers, "upsamplers", last ? null : new Upsampler(outputs, layers));

    public override Tensor forward(Tensor input)
    {
        using var scope = NewDisposeScope();
        Tensor hidden = input;
        foreach (ResnetBlock block in _blocks) hidden = Next(block, hidden, input);
        if (_resampler is not null) hidden = Next(_resampler, hidden, input);
        return hidden.MoveToOuterDisposeScope();
    }

    /// <summary>The same on a map that is looked at in strips, which is freed or becomes the result.</summary>
    internal FeatureMap Run(FeatureMap input, StripRunner runner)
    {
        FeatureMap hidden = input;
        foreach (ResnetBlock block in _blocks) hidden = block.Run(hidden, runner);
        return _resampler switch
        {
            Downsampler halves => halves.Run(hidden, runner),
            Upsampler doubles => doubles.Run(hidden, runner),
            _ => hidden,
        };
    }

    // Large maps go back as soon as the next one exists; autograd keeps what it needs by itself.
    private static Tensor Next(nn.Module<Tensor, Tensor> module, Tensor hidden, Tensor input)
    {
        Tensor next = module.forward(hidden);
        if (!ReferenceEquals(hidden, input)) hidden.Dispose();
        return next;
    }
}
