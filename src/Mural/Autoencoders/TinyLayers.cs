using Mural.Layers;
using static TorchSharp.torch;
using Conv2d = Mural.Layers.Conv2d;

namespace Mural.Autoencoders;

/// <summary>Layers one after the other, registered as <c>0</c>, <c>1</c>, and so on; those without weights count too.</summary>
internal sealed class TinySequence : nn.Module<Tensor, Tensor>
{
    private readonly nn.Module<Tensor, Tensor>[] _layers;

    internal TinySequence(IEnumerable<nn.Module<Tensor, Tensor>> layers) : base(nameof(TinySequence))
    {
        _layers = [.. layers];
        for (int i = 0; i < _layers.Length; i++) this.Register(i.ToString(), _layers[i]);
    }

    public override Tensor forward(Tensor input)
    {
        using var scope = NewDisposeScope();
        Tensor hidden = input;
        foreach (nn.Module<Tensor, Tensor> layer in _layers)
        {
            Tensor next = layer.forward(hidden);
            if (!ReferenceEquals(hidden, input)) hidden.Dispose();
            hidden = next;
        }
        return hidden.MoveToOuterDisposeScope();
    }
}

/// <summary>Three convolutions beside an identity, ReLU between and after (spec 3.6).</summary>
internal sealed class TinyBlock : nn.Module<Tensor, Tensor>
{
    private readonly TinySequence _convolutions;

    internal TinyBlock(int channels, LayerFactory layers) : base(nameof(TinyBlock))
    {
        Conv2d Convolution() => layers.Convolution(channels, channels, 3, padding: 1);
        _convolutions = this.Register("conv", new TinySequence([Convolution(), new TinyRelu(), Convolution(), new TinyRelu(), Convolution()]));
    }

    public override Tensor forward(Tensor input)
    {
        using Tensor hidden = _convolutions.forward(input);
        if (!hidden.requires_grad) return hidden.add_(input).relu_().alias();
        using Tensor sum = hidden + input;
        return sum.relu();
    }
}

/// <summary>ReLU.</summary>
internal sealed class TinyRelu() : nn.Module<Tensor, Tensor>(nameof(TinyRelu))
{
    public override Tensor forward(Tensor input) => input.relu();
}

/// <summary>Doubles the map, nearest neighbour.</summary>
internal sealed class TinyUpsample() : nn.Module<Tensor, Tensor>(nameof(TinyUpsample))
{
    public override Tensor forward(Tensor input) => nn.functional.upsample_nearest2d(input, [input.shape[2] * 2, input.shape[3] * 2]);
}

/// <summary>One half of the tiny autoencoder: a list of layers named <c>layers</c>.</summary>
internal sealed class TinyHalf : nn.Module<Tensor, Tensor>
{
    private readonly TinySequence _layers;

    private TinyHalf(IEnumerable<nn.Module<Tensor, Tensor>> layers) : base(nameof(TinyHalf)) => _layers = this.Register("layers", new TinySequence(layers));

    internal static TinyHalf Encoder(AutoencoderTinyConfig config, LayerFactory factory)
    {
        int channels = config.EncoderChannels;
        var layers = new List<nn.Module<Tensor, Tensor>>();
        foreach (int blocks in config.EncoderBlocks)
        {
            layers.Add(layers.Count == 0 ? factory.Convolution(config.InChannels, channels, 3, padding: 1) : factory.Convolution(channels, channels, 3, stride: 2, padding: 1, bias: false));
            for (int i = 0; i < blocks; i++) layers.Add(new TinyBlock(channels, factory));
        }
        layers.Add(factory.Convolution(channels, config.LatentChannels, 3, padding: 1));
        return new TinyHalf(layers);
    }

    internal static TinyHalf Decoder(AutoencoderTinyConfig config, LayerFactory factory)
    {
        int channels = config.DecoderChannels;
        var layers = new List<nn.Module<Tensor, Tensor>> { factory.Convolution(config.LatentChannels, channels, 3, padding: 1), new TinyRelu() };
        for (int level = 0; level < config.DecoderBlocks.Count; level++)
        {
            for (int i = 0; i < config.DecoderBlocks[level]; i++) layers.Add(new TinyBlock(channels, factory));
            if (level == config.DecoderBlocks.Count - 1) continue;
            layers.Add(new TinyUpsample());
            layers.Add(factory.Convolution(channels, channels, 3, padding: 1, bias: false));
        }
        layers.Add(factory.Convolution(channels, config.OutChannels, 3, padding: 1));
        return new TinyHalf(layers);
    }

    public override Tensor forward(Tensor input)
    {
        using Tensor packed = input.ForConvolution();
        return _layers.forward(packed);
    }
}
