using Mural.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace Mural.UNet;

/// <summary>A linear, SiLU, a linear, in float32 (spec 2.2): the network on the sinusoids of the time, and the one on SDXL's pooled text and sizes.</summary>
internal sealed class TimestepEmbedding : NamedModule
{
    // Distilled models see (guidance - 1) times this, with the sines first and one frequency less in the exponent.
    private const double GuidanceFactor = 1000, GuidanceShift = 1;

    private readonly Linear _first, _second;
    private readonly Linear? _guidance;
    private readonly int _guidanceWidth;

    /// <param name="inputs">Width of the input.</param>
    /// <param name="width">Width of the result.</param>
    /// <param name="guidanceWidth">Width of the guidance scale's sinusoids, or 0 for a network that does not know it.</param>
    /// <param name="layers">Creates the layers.</param>
    internal TimestepEmbedding(int inputs, int width, int guidanceWidth, LayerFactory layers) : base(nameof(TimestepEmbedding))
    {
        _guidanceWidth = guidanceWidth;
        _first = this.Register("linear_1", layers.Float32Linear(inputs, width));
        if (guidanceWidth > 0) _guidance = this.Register("cond_proj", layers.Float32Linear(guidanceWidth, inputs, bias: false));
        _second = this.Register("linear_2", layers.Float32Linear(width, width));
    }

    /// <summary>What a guidance scale adds to the input. Shape: `[1, inputs]`.</summary>
    internal Tensor Guidance(double scale, Device device)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor value = tensor(new[] { (scale - 1) * GuidanceFactor }, device: device);
        return _guidance!.forward(Sinusoids.Of(value, _guidanceWidth, GuidanceShift, cosineFirst: false)).MoveToOuterDisposeScope();
    }

    /// <param name="input">float32. Shape: `[B, inputs]`.</param>
    /// <returns>Shape: `[B, width]`.</returns>
    internal Tensor Forward(Tensor input)
    {
        using DisposeScope scope = NewDisposeScope();
        return _second.forward(nn.functional.silu(_first.forward(input))).MoveToOuterDisposeScope();
    }
}
