using Mural.Layers;
using TorchSharp;
using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace Mural.DiM;

/// <summary>
/// Squares of the input become tokens and back (spec dim.md 1.2, 1.9). The convolution whose stride is its kernel runs as a matrix product on the cut-out
/// squares, which gives tokens without a transposition.
/// </summary>
internal sealed class PatchEmbedding : nn.Module<Tensor, Tensor>
{
    private readonly int _patch;

    [ComponentName(Name = "proj.weight")]
    private readonly Parameter _weight;

    [ComponentName(Name = "proj.bias")]
    private readonly Parameter _bias;

    internal PatchEmbedding(DiMConfig config, Device? device) : base(nameof(PatchEmbedding))
    {
        _patch = config.PatchSize;
        _weight = this.Register("proj.weight", empty(config.Width, config.InChannels, config.PatchSize, config.PatchSize, device: device));
        _bias = this.Register("proj.bias", empty(config.Width, device: device));
    }

    /// <summary>Shapes: `[B, C, H·p, W·p]` to `[B, H·W, D]`, float32.</summary>
    public override Tensor forward(Tensor input)
    {
        using DisposeScope scope = NewDisposeScope();
        (long batch, long channels, long rows, long columns) = (input.shape[0], input.shape[1], input.shape[2] / _patch, input.shape[3] / _patch);
        Tensor squares = input.to(ScalarType.Float32).reshape(batch, channels, rows, _patch, columns, _patch).permute(0, 2, 4, 1, 3, 5)
            .reshape(batch, rows * columns, channels * _patch * _patch);
        Tensor weight = _weight.to(ScalarType.Float32).flatten(1);
        return nn.functional.linear(squares, weight, _bias.to(ScalarType.Float32)).MoveToOuterDisposeScope();
    }

    /// <summary>Puts squares of predictions together; the channel of value (a, b, c) of a square is (a·p + b)·C + c.</summary>
    /// <returns>Shapes: `[B, H, W, p·p·C]` to `[B, C, H·p, W·p]`.</returns>
    internal static Tensor Unpatchify(Tensor squares, int patch)
    {
        using DisposeScope scope = NewDisposeScope();
        (long batch, long rows, long columns) = (squares.shape[0], squares.shape[1], squares.shape[2]);
        long channels = squares.shape[3] / (patch * patch);
        return squares.reshape(batch, rows, columns, patch, patch, channels).permute(0, 5, 1, 3, 2, 4)
            .reshape(batch, channels, rows * patch, columns * patch).MoveToOuterDisposeScope();
    }
}
