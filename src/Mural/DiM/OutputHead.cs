using Mural.Kernels;
using Mural.Layers;
using Mural.Runtime;
using TorchSharp;
using TorchSharp.Utils;
using static TorchSharp.torch;
using Parameter = TorchSharp.Modules.Parameter;

namespace Mural.DiM;

/// <summary>The norm before the output (spec dim.md 1.9): RMS norm, scaled and shifted by time and label.</summary>
internal sealed class OutputNorm : nn.Module<Tensor, Tensor, Tensor, Tensor>, IKernelSelectable
{
    private const double Epsilon = 1e-5;

    private KernelSet _kernels;

    [ComponentName(Name = "norm.weight")]
    private readonly Parameter _weight;

    internal OutputNorm(int width, Device? device) : base(nameof(OutputNorm)) => _weight = this.Register("norm.weight", empty(width, device: device));

    void IKernelSelectable.UseKernels(KernelSet kernels) => _kernels = kernels;

    /// <summary>Shapes: `[B, N, D]`, `[B, D]`, `[B, D]`.</summary>
    public override Tensor forward(Tensor tokens, Tensor shift, Tensor scale) =>
        ModulatedRmsNorm.Apply(tokens, _weight, Epsilon, scale, shift, ScalarType.Float32, _kernels);
}

/// <summary>From the last block's image tokens to the prediction, in float32 (spec dim.md 1.9). Its layers belong to the model.</summary>
internal sealed class OutputHead
{
    private readonly int _patch;
    private readonly OutputNorm _norm;
    private readonly Linear _modulation, _projection;

    internal OutputHead(nn.Module model, DiMConfig config, Device? device)
    {
        _patch = config.PatchSize;
        int outputs = config.PatchSize * config.PatchSize * config.InChannels;
        _norm = model.Register("norm_out", new OutputNorm(config.Width, device));
        _modulation = model.Register("proj_out_1", new Linear(config.Width, 2 * config.Width, device: device, initialize: false) { Type = ScalarType.Float32 });
        _projection = model.Register("proj_out_2", new Linear(config.Width, outputs, device: device, initialize: false) { Type = ScalarType.Float32 });
    }

    /// <summary>Norm, modulation by SiLU(time + label), linear, squares back to places.</summary>
    /// <param name="image">Shape: `[B, H, W, D]`.</param>
    /// <param name="time">The time token. Shape: `[B, D]`.</param>
    /// <param name="label">The class token. Shape: `[B, D]`.</param>
    /// <returns>Shape: `[B, C, H·p, W·p]`.</returns>
    internal Tensor Forward(Tensor image, Tensor time, Tensor label)
    {
        using DisposeScope scope = NewDisposeScope();
        (long batch, long rows, long columns) = (image.shape[0], image.shape[1], image.shape[2]);
        Tensor[] modulation = _modulation.forward(nn.functional.silu(time + label)).chunk(2, 1);
        Tensor tokens = _norm.forward(image.reshape(batch, rows * columns, -1), modulation[0], modulation[1]);
        Tensor squares = _projection.forward(tokens).view(batch, rows, columns, -1);
        return PatchEmbedding.Unpatchify(squares, _patch).MoveToOuterDisposeScope();
    }
}
