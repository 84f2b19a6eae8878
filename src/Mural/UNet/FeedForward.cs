using Mural.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace Mural.UNet;

/// <summary>A linear to eight times the width, the first half times GELU of the second, and a linear back (spec 2.4).</summary>
internal sealed class FeedForward : NamedModule
{
    private const int Expansion = 4;

    private readonly Linear _input, _output;

    internal FeedForward(int channels, LayerFactory layers) : base(nameof(FeedForward))
    {
        _input = this.RegisterAt("net.0.proj", layers.Linear(channels, 2 * Expansion * channels));
        _output = this.RegisterAt("net.2", layers.Linear(Expansion * channels, channels));
    }

    /// <summary>Shapes: `[B, N, C]` to `[B, N, C]`.</summary>
    internal Tensor Forward(Tensor tokens)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor[] halves = _input.forward(tokens).chunk(2, -1);
        Tensor gate = halves[1].gelu();
        return _output.forward(gate.requires_grad ? halves[0] * gate : gate.mul_(halves[0])).MoveToOuterDisposeScope();
    }
}
