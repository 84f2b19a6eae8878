using Mural.Kernels;
using Mural.Layers;
using Mural.Runtime;
using TorchSharp;
using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace Mural.DiM;

/// <summary>
/// One block (spec dim.md 1.7): joins its long skip, if it is a decoder block, then adds the mixer of the modulated norm to the stream. The stream stays in
/// row-major storage; only the mixer sees the scan order, so skips never need reordering.
/// </summary>
internal sealed class DiMBlock : nn.Module, IKernelSelectable
{
    private const double Epsilon = 1e-5;

    private readonly SkipFusion? _fusion;
    private KernelSet _kernels;

    [ComponentName(Name = "scale_shift_table")]
    private readonly Parameter _modulation;

    [ComponentName(Name = "norm1.norm.weight")]
    private readonly Parameter _norm;

    [ComponentName(Name = "attn1")]
    private readonly MambaMixer _mixer;

    internal DiMBlock(DiMConfig config, bool decoder, Device? device) : base(nameof(DiMBlock))
    {
        _modulation = this.Register("scale_shift_table", empty(3, config.Width, device: device));
        _norm = this.Register("norm1.norm.weight", empty(config.Width, device: device));
        _mixer = this.Register("attn1", new MambaMixer(config.Mixer, device));
        if (decoder) _fusion = new SkipFusion(this, config, device);
    }

    internal MambaMixer Mixer => _mixer;

    void IKernelSelectable.UseKernels(KernelSet kernels) => _kernels = kernels;

    /// <summary>y + (1 + gate) · Mamba(RMSNorm(y) · (1 + scale) + shift), where y is the stream joined with its skip.</summary>
    /// <param name="stream">float32. Shape: `[B, L, D]`.</param>
    /// <param name="shared">Shift, scale and gate that all blocks share. Shape: `[B, 3, D]`.</param>
    /// <param name="skip">Output of the paired encoder block, in <paramref name="type"/>, or null. Shape: `[B, L, D]`.</param>
    /// <param name="order">Scan order of this block.</param>
    /// <param name="type">Type that matrix products run in.</param>
    /// <returns>float32. Shape: `[B, L, D]`.</returns>
    internal Tensor Forward(Tensor stream, Tensor shared, Tensor? skip, ScanOrder? order, ScalarType type)
    {
        using DisposeScope scope = NewDisposeScope();
        // The view gathers this block's gradients before those of a skip join them, as gradient checkpointing does: sums, and so bits, are the same.
        Tensor joined = skip is null ? stream.view(stream.shape) : _fusion!.Forward(stream.to(type), skip);
        Tensor[] modulation = (shared + _modulation).unbind(1);
        (Tensor shift, Tensor scale, Tensor gate) = (modulation[0], modulation[1], modulation[2]);
        Tensor normed = ModulatedRmsNorm.Apply(joined, _norm, Epsilon, scale, shift, type, _kernels);
        Tensor mixed = _mixer.Forward(normed, order);
        return GatedResidual.Apply(joined, mixed, gate, _kernels).MoveToOuterDisposeScope();
    }
}
