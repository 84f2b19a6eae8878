using Mural.Layers.Strips;

namespace Mural.UNet;

internal sealed partial class DownBlock
{
    /// <summary>The same on a map that is looked at in strips; the map after every part is kept.</summary>
    internal PassingMap Run(PassingMap input, SkipMaps skips, BlockInputs inputs, StripRunner runner)
    {
        PassingMap hidden = input;
        for (int i = 0; i < _resnets.Length; i++)
        {
            WritableMap next = _resnets[i].Run(hidden.Map, hidden.IsOwn, inputs, runner);
            if (_transformers.Length > 0) _transformers[i].Run(next, inputs, runner);
            hidden = new PassingMap(next, skips.Keep(next));
        }
        if (_downsampler is null) return hidden;
        WritableMap halved = _downsampler.Run(hidden, runner);
        return new PassingMap(halved, skips.Keep(halved));
    }
}

internal sealed partial class MidBlock
{
    /// <summary>The same on a map that is looked at in strips.</summary>
    internal WritableMap Run(PassingMap input, BlockInputs inputs, StripRunner runner)
    {
        WritableMap hidden = _before.Run(input.Map, input.IsOwn, inputs, runner);
        _transformer.Run(hidden, inputs, runner);
        return _after.Run(hidden, true, inputs, runner);
    }
}

internal sealed partial class UpBlock
{
    /// <summary>The same on a map that is looked at in strips, which is freed with the skips that it joins.</summary>
    internal WritableMap Run(WritableMap input, SkipMaps skips, BlockInputs inputs, StripRunner runner)
    {
        WritableMap hidden = input;
        for (int i = 0; i < _resnets.Length; i++)
        {
            hidden = _resnets[i].Run(new JoinedMap(hidden, skips.Take()), true, inputs, runner);
            if (_transformers.Length > 0) _transformers[i].Run(hidden, inputs, runner);
        }
        if (_upsampler is null) return hidden;
        (long height, long width) = skips.NextSize;
        return _upsampler.Run(hidden, height, width, runner);
    }
}
