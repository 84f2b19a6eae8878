using Mural.Layers;
using Mural.Layers.Strips;
using TorchSharp;
using static TorchSharp.torch;

namespace Mural.UNet;

internal sealed partial class UNetEncoder
{
    /// <summary>The way down and the middle, on maps that are looked at in strips.</summary>
    /// <param name="sample">Of one picture, in the run's type. Shape: `[1, in, H, W]`.</param>
    /// <param name="skips">Gets the maps of the way down.</param>
    /// <param name="inputs">What the blocks get.</param>
    /// <param name="runner">Runs the layers.</param>
    internal WritableMap Run(Tensor sample, SkipMaps skips, BlockInputs inputs, StripRunner runner)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor map = (_config.CenterInputSample ? 2 * sample - 1 : sample).ForConvolution();
        using var source = new ComputedMap(map.shape[2], map.shape[3], map.shape[1], map.shape[2], (first, count) => map.narrow(2, first, count));
        WritableMap first = runner.Convolve(source, _input);
        var hidden = new PassingMap(first, skips.Keep(first));
        foreach (DownBlock block in _down) hidden = block.Run(hidden, skips, inputs, runner);
        return _mid.Run(hidden, inputs, runner);
    }
}
