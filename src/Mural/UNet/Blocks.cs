using Mural.Attention;
using Mural.HiDiffusion;
using Mural.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace Mural.UNet;

/// <summary>One level on the way down: residual blocks, each followed by a transformer where the level attends, and the step to the next level (spec 2.6).</summary>
internal sealed partial class DownBlock : NamedModule
{
    private readonly int _level;
    private readonly ResnetBlock[] _resnets;
    private readonly Transformer2D[] _transformers;
    private readonly Downsampler? _downsampler;

    internal DownBlock(int level, UNetConfig config, LayerFactory layers) : base(nameof(DownBlock))
    {
        _level = level;
        int channels = config.BlockOutChannels[level], before = config.BlockOutChannels[Math.Max(level - 1, 0)], count = config.LayersPerBlock[level];
        _resnets = [.. Enumerable.Range(0, count).Select(i => this.RegisterAt($"resnets.{i}", new ResnetBlock(i == 0 ? before : channels, channels, config, layers)))];
        _transformers = [.. Enumerable.Range(0, config.DownBlockAttention[level] ? count : 0).Select(i => this.RegisterAt(
            $"attentions.{i}", new Transformer2D(BlockPath.Down, level, i, config, layers)))];
        if (level < config.BlockOutChannels.Count - 1)
            _downsampler = this.RegisterAt("downsamplers.0", new Downsampler(channels, config.DownsamplePadding, layers));
    }

    /// <summary>Appends the map after every part to <paramref name="skips"/>, whose last is the result.</summary>
    internal void Forward(List<Tensor> skips, BlockInputs inputs)
    {
        for (int i = 0; i < _resnets.Length; i++)
        {
            Tensor hidden = _resnets[i].Forward(skips[^1], inputs);
            if (_transformers.Length > 0)
            {
                using Tensor before = hidden;
                hidden = _transformers[i].Forward(before, inputs);
            }
            if (i == 0 && inputs.Step?.PooledLevel == _level)
            {
                using Tensor whole = hidden;
                hidden = MapResizing.Halve(whole);
            }
            skips.Add(hidden);
        }
        if (_downsampler is not null) skips.Add(inputs.Step?.StridedLevel == _level ? _downsampler.ForwardStrided(skips[^1]) : _downsampler.Forward(skips[^1], inputs.Part));
        inputs.Observe?.Invoke(this, skips[^1]);
    }
}

/// <summary>The lowest level: residual block, transformer, residual block.</summary>
internal sealed partial class MidBlock : NamedModule
{
    private readonly ResnetBlock _before, _after;
    private readonly Transformer2D _transformer;

    internal MidBlock(UNetConfig config, LayerFactory layers) : base(nameof(MidBlock))
    {
        int channels = config.BlockOutChannels[^1];
        _before = this.RegisterAt("resnets.0", new ResnetBlock(channels, channels, config, layers, config.MidBlockScaleFactor));
        _transformer = this.RegisterAt("attentions.0", new Transformer2D(BlockPath.Middle, config.BlockOutChannels.Count - 1, 0, config, layers));
        _after = this.RegisterAt("resnets.1", new ResnetBlock(channels, channels, config, layers, config.MidBlockScaleFactor));
    }

    internal Tensor Forward(Tensor input, BlockInputs inputs)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor output = _after.Forward(_transformer.Forward(_before.Forward(input, inputs), inputs), inputs);
        inputs.Observe?.Invoke(this, output);
        return output.MoveToOuterDisposeScope();
    }
}

/// <summary>One level on the way up: residual blocks that each join a skip, with transformers where the level attends, and the step to the next level (spec 2.6).</summary>
internal sealed partial class UpBlock : NamedModule
{
    private readonly int _level;
    private readonly ResnetBlock[] _resnets;
    private readonly Transformer2D[] _transformers;
    private readonly Upsampler? _upsampler;

    /// <param name="level">The level, counted as on the way down.</param>
    /// <param name="inputs">Channels that come from below.</param>
    /// <param name="skips">Channels of the skips not joined yet; those of this level are taken away.</param>
    /// <param name="config">The network.</param>
    /// <param name="layers">Creates the layers.</param>
    internal UpBlock(int level, int inputs, Stack<int> skips, UNetConfig config, LayerFactory layers) : base(nameof(UpBlock))
    {
        _level = level;
        int channels = config.BlockOutChannels[level], count = config.LayersPerBlock[level] + 1;
        bool attends = config.UpBlockAttention[config.BlockOutChannels.Count - 1 - level];
        _resnets = [.. Enumerable.Range(0, count).Select(i =>
            this.RegisterAt($"resnets.{i}", new ResnetBlock((i == 0 ? inputs : channels) + skips.Pop(), channels, config, layers)))];
        _transformers = [.. Enumerable.Range(0, attends ? count : 0).Select(i => this.RegisterAt(
            $"attentions.{i}", new Transformer2D(BlockPath.Up, level, i, config, layers)))];
        if (level > 0) _upsampler = this.RegisterAt("upsamplers.0", new Upsampler(channels, layers));
    }

    /// <summary>Joins the last skips, which are taken away and freed, and steps to the size of the one before them.</summary>
    internal Tensor Forward(Tensor input, List<Tensor> skips, BlockInputs inputs)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor hidden = input.alias();
        for (int i = 0; i < _resnets.Length; i++)
        {
            if (i == _resnets.Length - 1 && inputs.Step?.PooledLevel == _level)
            {
                // The last skip is that of the map before it was halved.
                using Tensor half = hidden;
                hidden = MapResizing.Bicubic(half, MapSize.Of(skips[^1]));
            }
            Tensor joined = Join(hidden, skips);
            hidden = _resnets[i].Forward(joined, inputs);
            joined.Dispose();
            if (_transformers.Length == 0) continue;
            using Tensor before = hidden;
            hidden = _transformers[i].Forward(before, inputs);
        }
        if (_upsampler is not null)
        {
            using Tensor small = hidden;
            MapSize size = MapSize.Of(skips[^1]);
            hidden = inputs.Step?.EnlargesSmoothly(_level - 1) == true ? _upsampler.ForwardSmoothly(small, size) : _upsampler.Forward(small, size, inputs.Part);
        }
        inputs.Observe?.Invoke(this, hidden);
        return hidden.MoveToOuterDisposeScope();
    }

    private static Tensor Join(Tensor hidden, List<Tensor> skips)
    {
        using Tensor below = hidden, skip = skips[^1];
        skips.RemoveAt(skips.Count - 1);
        return cat([below, skip], 1);
    }
}
