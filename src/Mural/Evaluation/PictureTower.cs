using Mural.Autoencoders;
using Mural.Layers;
using TorchSharp.Modules;
using static TorchSharp.torch;
using Conv2d = Mural.Layers.Conv2d;
using GroupNorm = Mural.Layers.GroupNorm;
using Linear = Mural.Layers.Linear;

namespace Mural.Evaluation;

/// <summary>Pictures to features: a strided convolution, residual blocks of falling resolution, the mean over all positions, a linear.</summary>
internal sealed class PictureTower : nn.Module<Tensor, Tensor>
{
    /// <summary>Pixels of a side that the first convolution takes in one step.</summary>
    internal const int StemStride = 4;

    private const int StemKernel = 7;

    private readonly Conv2d _input;
    private readonly Stage[] _stages;
    private readonly GroupNorm _norm;
    private readonly Linear _projection;

    internal PictureTower(JudgeArchitecture config, LayerFactory layers) : base(nameof(PictureTower))
    {
        int[] channels = config.BlockOutChannels;
        _input = this.Register("conv_in", layers.Convolution(3, channels[0], StemKernel, StemStride, StemKernel / 2));
        _stages = [.. channels.Select((outputs, i) =>
            Stage.Down(channels[Math.Max(i - 1, 0)], outputs, config.LayersPerBlock, config.NormNumGroups, layers, last: i == channels.Length - 1))];
        this.Register("down_blocks", new ModuleList<Stage>(_stages));
        _norm = this.Register("norm_out", layers.GroupNorm(config.NormNumGroups, channels[^1], ResnetBlock.NormEpsilon, silu: true));
        _projection = this.Register("projection", layers.Float32Linear(channels[^1], config.EmbeddingSize));
    }

    /// <summary>Features of pictures in [-1, 1], <c>[B, 3, H, W]</c>. Shape: <c>[B, E]</c>, float32.</summary>
    public override Tensor forward(Tensor pictures)
    {
        using var scope = NewDisposeScope();
        Tensor hidden = _input.forward(pictures.ForConvolution());
        foreach (Stage stage in _stages) hidden = stage.forward(hidden);
        return _projection.forward(_norm.forward(hidden).to(ScalarType.Float32).mean([2, 3])).MoveToOuterDisposeScope();
    }
}
