using Mural.Layers;
using TorchSharp;
using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace Mural.DiM;

/// <summary>
/// Depthwise 3x3 convolution over the grid of image tokens; its result replaces them (spec dim.md 1.3). Token-major memory is channels-last memory, so
/// nothing is transposed.
/// </summary>
internal sealed class LocalEnhancement : nn.Module<Tensor, Tensor>
{
    private const int Kernel = 3;

    [ComponentName(Name = "weight")]
    private readonly Parameter _weight;

    [ComponentName(Name = "bias")]
    private readonly Parameter _bias;

    internal LocalEnhancement(int width, Device? device) : base(nameof(LocalEnhancement))
    {
        _weight = this.Register("weight", empty(width, 1, Kernel, Kernel, device: device));
        _bias = this.Register("bias", empty(width, device: device));
    }

    /// <summary>Shape: `[B, H, W, D]`, float32.</summary>
    public override Tensor forward(Tensor tokens)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor mixed = nn.functional.conv2d(tokens.permute(0, 3, 1, 2), _weight.to(tokens.dtype), _bias.to(tokens.dtype),
            padding: [Kernel / 2, Kernel / 2], groups: tokens.shape[3]);
        return mixed.permute(0, 2, 3, 1).MoveToOuterDisposeScope();
    }
}
