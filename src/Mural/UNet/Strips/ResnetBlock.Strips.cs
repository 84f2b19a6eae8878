using Mural.Layers.Strips;
using TorchSharp;
using static TorchSharp.torch;

namespace Mural.UNet;

internal sealed partial class ResnetBlock
{
    /// <summary>The same on a map that is looked at in strips.</summary>
    /// <param name="input">The map.</param>
    /// <param name="isOwn">Whether it is freed, or becomes the result.</param>
    /// <param name="inputs">What the blocks get.</param>
    /// <param name="runner">Runs the layers.</param>
    internal WritableMap Run(FeatureMap input, bool isOwn, BlockInputs inputs, StripRunner runner)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor time = _time.forward(inputs.Time).unsqueeze(-1).unsqueeze(-1);
        using WritableMap hidden = runner.Convolve(input, _conv1, _norm1, (_, rows) => rows.add_(time));
        WritableMap? into = isOwn && _shortcut is null ? input as WritableMap : null;
        WritableMap output = runner.Convolve(hidden, _conv2, _norm2, Add, into);
        if (isOwn && into is null) input.Dispose();
        return output;

        Tensor Add(long first, Tensor rows)
        {
            Tensor before = input.Rows(first, rows.shape[2]);
            rows.add_(_shortcut?.forward(before) ?? before);
            return _divisor == 1 ? rows : rows.div_(_divisor);
        }
    }
}
