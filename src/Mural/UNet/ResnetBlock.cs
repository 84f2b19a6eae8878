using Mural.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace Mural.UNet;

/// <summary>Norm, SiLU, convolution, twice, with the time added between, beside a skip that is a 1x1 convolution where the channel count changes (spec 2.3).</summary>
internal sealed partial class ResnetBlock : NamedModule
{
    private readonly GroupNorm _norm1, _norm2;
    private readonly Conv2d _conv1, _conv2;
    private readonly Conv2d? _shortcut;
    private readonly Linear _time;
    private readonly double _divisor;

    /// <param name="inputs">Channels of the map.</param>
    /// <param name="outputs">Channels of the result.</param>
    /// <param name="config">The network.</param>
    /// <param name="layers">Creates the layers.</param>
    /// <param name="divisor">What the sum is divided by.</param>
    internal ResnetBlock(int inputs, int outputs, UNetConfig config, LayerFactory layers, double divisor = 1) : base(nameof(ResnetBlock))
    {
        _divisor = divisor;
        _norm1 = this.Register("norm1", layers.GroupNorm(config.NormGroupCount, inputs, config.NormEpsilon, silu: true));
        _conv1 = this.Register("conv1", layers.Convolution(inputs, outputs, 3, padding: 1));
        _time = this.Register("time_emb_proj", layers.Linear(config.TimeWidth, outputs));
        _norm2 = this.Register("norm2", layers.GroupNorm(config.NormGroupCount, outputs, config.NormEpsilon, silu: true));
        _conv2 = this.Register("conv2", layers.Convolution(outputs, outputs, 3, padding: 1));
        _shortcut = inputs == outputs ? null : this.Register("conv_shortcut", layers.Convolution(inputs, outputs, 1));
    }

    /// <summary>Shapes: `[B, inputs, H, W]` to `[B, outputs, H, W]`.</summary>
    internal Tensor Forward(Tensor input, BlockInputs inputs)
    {
        Tensor hidden = inputs.Run((map, time) => Compute(map, time, inputs), input, this);
        inputs.Observe?.Invoke(this, hidden);
        return hidden;
    }

    private Tensor Compute(Tensor input, Tensor embedding, BlockInputs inputs)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor time = _time.forward(embedding).unsqueeze(-1).unsqueeze(-1);
        Tensor hidden = Residual.Add(inputs.Convolve(_conv1, inputs.Normalise(_norm1, input)), time);
        hidden = Residual.Add(inputs.Convolve(_conv2, inputs.Normalise(_norm2, hidden)), _shortcut?.forward(input) ?? input);
        if (_divisor != 1) hidden = hidden / _divisor;
        return hidden.MoveToOuterDisposeScope();
    }
}
