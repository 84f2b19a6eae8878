using Mural.Layers;
using Mural.Layers.Strips;
using TorchSharp;
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

    /// <summary>The same on a map that is looked at in strips. The result is computed when it is looked at, and owns the map.</summary>
    /// <param name="input">The map.</param>
    /// <param name="runner">Runs the layers.</param>
    /// <param name="keep">Given the smaller map of each change of resolution, gives one that need not be computed again, or the same.</param>
    internal FeatureMap Run(FeatureMap input, StripRunner runner, Func<FeatureMap, FeatureMap> keep)
    {
        FeatureMap map = input;
        foreach (nn.Module<Tensor, Tensor> layer in _layers)
            map = layer switch
            {
                Conv2d { Stride: > 1 } halves => keep(runner.Convolution(map, halves)),
                Conv2d convolution => runner.Convolution(map, convolution),
                TinyUpsample => Doubled(keep(map), runner),
                TinyBlock block => block.Run(map, runner),
                _ => Applied(layer, map),
            };
        return map;
    }

    private static ComputedMap Doubled(FeatureMap map, StripRunner runner) => runner.Nearest(map, 2 * map.Height, 2 * map.Width);

    // A layer that looks at single positions.
    private static ComputedMap Applied(nn.Module<Tensor, Tensor> layer, FeatureMap map) => new(map.Height, map.Width, map.Channels, map.Height, (first, count) =>
    {
        using Tensor rows = map.Rows(first, count);
        return layer.forward(rows);
    }, map);
}

/// <summary>Three convolutions beside an identity, ReLU between and after (spec 3.6).</summary>
internal sealed class TinyBlock : nn.Module<Tensor, Tensor>
{
    // Rows beside its own that a row of the result hangs on: one for each convolution.
    private const int Reach = 3;

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

    /// <summary>The same on a map that is looked at in strips. The result is computed when it is looked at, and owns the map.</summary>
    internal ComputedMap Run(FeatureMap input, StripRunner runner)
    {
        return new ComputedMap(input.Height, input.Width, input.Channels, input.Height, Rows, input);

        // The identity is of the same rows, which are fetched once for both.
        Tensor Rows(long first, long count)
        {
            using DisposeScope scope = NewDisposeScope();
            long begin = Math.Max(0, first - Reach), end = Math.Min(input.Height, first + count + Reach);
            Tensor window = input.Rows(begin, end - begin);
            using var seen = new RowsAtHand(window, begin, input.Height);
            Tensor hidden = _convolutions.Run(seen, runner, keep: map => map).Rows(first, count);
            return hidden.add_(seen.Rows(first, count)).relu_().MoveToOuterDisposeScope();
        }
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
            layers.Add(layers.Count == 0
                ? factory.Convolution(config.InChannels, channels, 3, padding: 1)
                : factory.Convolution(channels, channels, 3, stride: 2, padding: 1, bias: false));
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

    /// <inheritdoc cref="TinySequence.Run"/>
    internal FeatureMap Run(FeatureMap input, StripRunner runner, Func<FeatureMap, FeatureMap> keep) => _layers.Run(input, runner, keep);
}
