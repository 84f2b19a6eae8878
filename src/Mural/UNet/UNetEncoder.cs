using Mural.Attention;
using Mural.HiDiffusion;
using Mural.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace Mural.UNet;

/// <summary>
/// What a UNet and a ControlNet share: the embedding of the time and of everything else they are conditioned on, the first convolution, the way down and the middle. It
/// registers its parts with the network it belongs to, because that is where the checkpoints have them.
/// </summary>
internal sealed partial class UNetEncoder
{
    private readonly nn.Module _network;
    private readonly UNetConfig _config;
    private readonly Conv2d _input;
    private readonly TimestepEmbedding _time;
    private readonly TimestepEmbedding? _added;
    private readonly DownBlock[] _down;
    private readonly MidBlock _mid;

    internal UNetEncoder(nn.Module network, UNetConfig config, LayerFactory layers)
    {
        _network = network;
        _config = config;
        _input = network.Register("conv_in", layers.Convolution(config.InChannels, config.BlockOutChannels[0], 3, padding: 1));
        _time = network.Register("time_embedding", new TimestepEmbedding(config.BlockOutChannels[0], config.TimeWidth, config.GuidanceEmbeddingWidth ?? 0, layers));
        if (config.AddedEmbeddingWidth is { } width)
            _added = network.Register("add_embedding", new TimestepEmbedding(width, config.TimeWidth, 0, layers));
        _down = [.. Enumerable.Range(0, config.BlockOutChannels.Count).Select(i => network.RegisterAt($"down_blocks.{i}", new DownBlock(i, config, layers)))];
        _mid = network.Register("mid_block", new MidBlock(config, layers));
    }

    /// <summary>Channels of the skips, first to last: the first convolution's, then each residual block's and each downsampler's (spec 2.6).</summary>
    internal static IReadOnlyList<int> SkipChannels(UNetConfig config)
    {
        int last = config.BlockOutChannels.Count - 1;
        IEnumerable<int> blocks = config.BlockOutChannels.SelectMany((channels, level) => Enumerable.Repeat(channels, config.LayersPerBlock[level] + (level < last ? 1 : 0)));
        return [config.BlockOutChannels[0], .. blocks];
    }

    /// <summary>Computes what depends on the prompt and not on the step.</summary>
    /// <param name="conditioning">The conditions.</param>
    /// <param name="type">Type of the run, or null for the text's own.</param>
    internal PreparedPrompt Prepare(UNetConditioning conditioning, ScalarType? type)
    {
        ConditioningCheck.Require(conditioning, _config);
        using DisposeScope scope = NewDisposeScope();
        Tensor text = conditioning.Text.to(type ?? conditioning.Text.dtype);
        var prompt = new PreparedPrompt(_network, text.dtype, text.shape[0])
        {
            Guidance = conditioning.GuidanceScale is { } guidance ? _time.Guidance(guidance, text.device).DetachFromDisposeScope() : null,
            Added = _added is null ? null : AddedEmbedding(conditioning).DetachFromDisposeScope(),
        };
        foreach (CrossAttention attention in _network.modules().OfType<CrossAttention>().Distinct()) prompt.Add(attention, attention.Prepare(text));
        return prompt;
    }

    /// <summary>The time embedding as the blocks see it, SiLU included, of the prompt's type.</summary>
    /// <param name="timestep">Shape: `[B]`.</param>
    /// <param name="prompt">Prepared by this network.</param>
    /// <param name="observe">See <see cref="BlockInputs"/>.</param>
    /// <param name="step">Likewise.</param>
    internal BlockInputs Embed(Tensor timestep, PreparedPrompt prompt, Action<object, Tensor>? observe = null, HiDiffusionStep? step = null)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor sinusoids = Sinusoids.Of(timestep, _config.BlockOutChannels[0], _config.FrequencyShift, _config.FlipSinToCos);
        if (prompt.Guidance is not null) sinusoids = sinusoids + prompt.Guidance;
        Tensor embedding = _time.Forward(sinusoids);
        observe?.Invoke(_time, embedding);
        if (prompt.Added is not null) embedding = embedding + prompt.Added;
        return new BlockInputs(nn.functional.silu(embedding).to(prompt.Type).MoveToOuterDisposeScope(), prompt, observe, step);
    }

    /// <summary>The way down: the map after the first convolution and after every part of every level.</summary>
    /// <param name="sample">In the run's type. Shape: `[B, in, H, W]`.</param>
    /// <param name="hint">Added to the first convolution's result, or null.</param>
    /// <param name="inputs">What the blocks get.</param>
    internal List<Tensor> Down(Tensor sample, Tensor? hint, BlockInputs inputs)
    {
        using Tensor centered = _config.CenterInputSample ? 2 * sample - 1 : sample.alias();
        using Tensor map = centered.ForConvolution();
        Tensor first = inputs.Convolve(_input, map);
        if (hint is not null) first = Residual.Add(first, hint);
        inputs.Observe?.Invoke(_input, first);
        List<Tensor> skips = [first];
        foreach (DownBlock block in _down) block.Forward(skips, inputs);
        return skips;
    }

    internal Tensor Mid(Tensor input, BlockInputs inputs) => _mid.Forward(input, inputs);

    // Pooled text, then the sinusoids of each number in turn (spec 2.2).
    private Tensor AddedEmbedding(UNetConditioning conditioning)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor pooled = conditioning.PooledText!.to(ScalarType.Float32), numbers = conditioning.SizeNumbers!.to(pooled.device);
        Tensor sinusoids = Sinusoids.Of(numbers.flatten(), _config.SizeEmbeddingWidth!.Value, _config.FrequencyShift, _config.FlipSinToCos);
        return _added!.Forward(cat([pooled, sinusoids.reshape(pooled.shape[0], -1)], 1)).MoveToOuterDisposeScope();
    }
}
