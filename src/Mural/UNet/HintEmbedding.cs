using Mural.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace Mural.UNet;

/// <summary>Brings the picture that controls to the size and channels of the first feature map: convolutions with SiLU between, every second one halving (spec 7.1).</summary>
internal sealed class HintEmbedding : NamedModule
{
    private readonly Conv2d _input, _output;
    private readonly Conv2d[] _blocks;

    internal HintEmbedding(ControlNetConfig config, LayerFactory layers) : base(nameof(HintEmbedding))
    {
        IReadOnlyList<int> channels = config.EmbeddingChannels;
        _input = this.Register("conv_in", layers.Convolution(config.ConditioningChannels, channels[0], 3, padding: 1));
        _blocks = [.. Enumerable.Range(0, 2 * (channels.Count - 1)).Select(i => this.RegisterAt($"blocks.{i}", i % 2 == 0
            ? layers.Convolution(channels[i / 2], channels[i / 2], 3, padding: 1)
            : layers.Convolution(channels[i / 2], channels[i / 2 + 1], 3, stride: 2, padding: 1)))];
        _output = this.Register("conv_out", layers.Convolution(channels[^1], config.Network.BlockOutChannels[0], 3, padding: 1));
    }

    /// <summary>Shapes: `[B, 3, H, W]` to `[B, C, H / 8, W / 8]`.</summary>
    internal Tensor Forward(Tensor picture)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor hidden = nn.functional.silu(_input.forward(picture.ForConvolution()));
        foreach (Conv2d block in _blocks)
        {
            using Tensor before = hidden;
            using Tensor convolved = block.forward(before);
            hidden = nn.functional.silu(convolved);
        }
        return _output.forward(hidden).MoveToOuterDisposeScope();
    }
}
