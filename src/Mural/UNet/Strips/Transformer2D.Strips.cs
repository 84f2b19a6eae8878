using Mural.Attention;
using Mural.Layers;
using Mural.Layers.Strips;
using TorchSharp;
using static TorchSharp.torch;

namespace Mural.UNet;

internal sealed partial class Transformer2D
{
    /// <summary>The same in place, on a map that is looked at in strips. Beside it there is one copy of its tokens.</summary>
    internal void Run(WritableMap map, BlockInputs inputs, StripRunner runner)
    {
        using DisposeScope scope = NewDisposeScope();
        using MapNorm norm = _norm.Of(map.Moments);
        long width = map.Width, channels = map.Channels;
        Tensor tokens = empty([1, map.Height * width, channels], runner.Type, runner.Device);
        Tensor Of(long first, long count) => tokens.narrow(1, first * width, count * width);
        foreach ((long first, long count) in runner.Strips(map.Height, width, channels))
        {
            using DisposeScope strip = NewDisposeScope();
            Tensor normalised = norm.Apply(map.Rows(first, count));
            Of(first, count).copy_(_input is Linear ? _input.forward(Tokens(normalised)) : Tokens(_input.forward(normalised)));
        }
        foreach (TransformerBlock block in _blocks) block.RunInChunks(tokens, new MapSize(map.Height, width), inputs, runner);
        map.Restart();
        foreach ((long first, long count) in runner.Strips(map.Height, width, channels))
        {
            using DisposeScope strip = NewDisposeScope();
            var size = new MapSize(count, width);
            Tensor some = Of(first, count), output = _output is Linear ? Map(_output.forward(some), size) : _output.forward(Map(some, size));
            map.Write(first, Residual.Add(output, map.Rows(first, count)));
        }
    }
}
