using Mural.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace Mural.DiM;

/// <summary>Joins a long skip to the stream: x becomes W_a x + W_b k + b (spec dim.md 1.7, step 1). Its linears belong to the block.</summary>
internal sealed class SkipFusion
{
    private readonly Linear? _stream, _skip, _both;

    internal SkipFusion(nn.Module block, DiMConfig config, Device? device)
    {
        int width = config.Width;
        if (config.SkipForm == SkipForm.Concatenated)
        {
            _both = block.Register("skip_linear", new Linear(2 * width, width, device: device, initialize: false));
            return;
        }
        _stream = block.RegisterAt("skip_linear.0", new Linear(width, width, device: device, initialize: false));
        _skip = block.RegisterAt("skip_linear.1", new Linear(width, width, device: device, initialize: false));
    }

    /// <summary>The products run in the type of both inputs; their sum, which is the new stream, is float32.</summary>
    /// <returns>Shapes: `[B, L, D]` each and the result.</returns>
    internal Tensor Forward(Tensor stream, Tensor skip)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor fused = _both is not null
            ? _both.forward(cat([stream, skip], 2)).to(ScalarType.Float32)
            : _stream!.forward(stream).to(ScalarType.Float32) + _skip!.forward(skip);
        return fused.MoveToOuterDisposeScope();
    }
}
