using Mural.Kernels;
using Mural.Layers;
using Mural.Runtime;
using TorchSharp;
using static TorchSharp.torch;

namespace Mural.UNet;

/// <summary>A linear to eight times the width, the first half times GELU of the second, and a linear back (spec 2.4).</summary>
internal sealed class FeedForward : NamedModule, IKernelSelectable
{
    private const int Expansion = 4;

    private readonly Linear _input, _output;
    private KernelSet _kernels;

    internal FeedForward(int channels, LayerFactory layers) : base(nameof(FeedForward))
    {
        _input = this.RegisterAt("net.0.proj", layers.Linear(channels, 2 * Expansion * channels));
        _output = this.RegisterAt("net.2", layers.Linear(Expansion * channels, channels));
    }

    void IKernelSelectable.UseKernels(KernelSet kernels) => _kernels = kernels;

    /// <summary>Shapes: `[B, N, C]` to `[B, N, C]`.</summary>
    internal Tensor Forward(Tensor tokens)
    {
        using DisposeScope scope = NewDisposeScope();
        return _output.forward(GatedGelu.Apply(_input.forward(tokens), _kernels)).MoveToOuterDisposeScope();
    }
}
