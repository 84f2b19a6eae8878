using Mural.Layers;
using Mural.Layers.Strips;
using static TorchSharp.torch;

namespace Mural.Autoencoders;

/// <summary>Norm, SiLU, convolution, twice, beside a skip that is a 1x1 convolution where the channel count changes.</summary>
internal sealed class ResnetBlock : nn.Module<Tensor, Tensor>
{
    internal const double NormEpsilon = 1e-6;

    private readonly GroupNorm _norm1, _norm2;
    private readonly Conv2d _conv1, _conv2;
    private readonly Conv2d? _shortcut;

    internal ResnetBlock(int inputs, int outputs, int groups, LayerFactory layers) : base(nameof(ResnetBlock))
    {
        _norm1 = this.Register("norm1", layers.GroupNorm(groups, inputs, NormEpsilon, silu: true));
        _conv1 = this.Register("conv1", layers.Convolution(inputs, outputs, 3, padding: 1));
        _norm2 = this.Register("norm2", layers.GroupNorm(groups, outputs, NormEpsilon, silu: true));
        _conv2 = this.Register("conv2", layers.Convolution(outputs, outputs, 3, padding: 1));
        _shortcut = inputs == outputs ? null : this.Register("conv_shortcut", layers.Convolution(inputs, outputs, 1));
    }

    public override Tensor forward(Tensor input)
    {
        using var scope = NewDisposeScope();
        Tensor hidden = _conv1.forward(_norm1.forward(input));
        hidden = _conv2.forward(_norm2.forward(hidden));
        Tensor skip = _shortcut?.forward(input) ?? input;
        return (hidden.requires_grad ? skip + hidden : hidden.add_(skip)).MoveToOuterDisposeScope();
    }

    /// <summary>The same on a map that is looked at in strips, which is freed or becomes the result.</summary>
    internal WritableMap Run(FeatureMap input, StripRunner runner)
    {
        using WritableMap hidden = runner.Convolve(input, _conv1, _norm1);
        // Of the input, the rows that are written over are not needed any more.
        WritableMap? into = _shortcut is null ? input as WritableMap : null;
        WritableMap output = runner.Convolve(hidden, _conv2, _norm2, Add, into);
        if (into is null) input.Dispose();
        return output;

        Tensor Add(long first, Tensor rows)
        {
            using Tensor before = input.Rows(first, rows.shape[2]);
            if (_shortcut is null) return rows.add_(before);
            using Tensor skip = _shortcut.forward(before);
            return rows.add_(skip);
        }
    }
}
