using Mural.Layers.Strips;

namespace Mural.UNet;

internal sealed partial class Downsampler
{
    /// <summary>The same on a map that is looked at in strips.</summary>
    internal WritableMap Run(PassingMap input, StripRunner runner)
    {
        WritableMap output = runner.Convolve(input.Map, _conv);
        if (input.IsOwn) input.Map.Dispose();
        return output;
    }
}

internal sealed partial class Upsampler
{
    /// <summary>The same on a map that is looked at in strips, which is freed.</summary>
    internal WritableMap Run(FeatureMap input, long height, long width, StripRunner runner)
    {
        using FeatureMap enlarged = runner.Nearest(input, height, width);
        return runner.Convolve(enlarged, _conv);
    }
}
