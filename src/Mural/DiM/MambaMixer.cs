using Mural.Kernels;
using Mural.Layers;
using Mural.Runtime;
using TorchSharp;
using TorchSharp.Utils;
using static TorchSharp.torch;
using Parameter = TorchSharp.Modules.Parameter;

namespace Mural.DiM;

/// <summary>Sizes of a Mamba-1 mixer.</summary>
/// <param name="Width">Channels of the tokens.</param>
/// <param name="Inner">Channels inside, E.</param>
/// <param name="Rank">Width of the low-rank projection that gives the scan's step sizes.</param>
/// <param name="States">States of each inner channel, N.</param>
/// <param name="Taps">Length of the causal convolution.</param>
internal readonly record struct MambaShape(int Width, int Inner, int Rank, int States, int Taps);

/// <summary>
/// The Mamba-1 mixer (spec dim.md 1.8): projection to values and gate, causal convolution, selective scan whose steps and vectors depend on the values, projection back.
/// Projections run in the type of the input; A, D and the bias of the steps stay float32.
/// </summary>
internal sealed class MambaMixer : nn.Module, IKernelSelectable
{
    private readonly int _inner, _rank, _states;
    private KernelSet _kernels;

    [ComponentName(Name = "in_proj")]
    private readonly Linear _input;

    [ComponentName(Name = "x_proj")]
    private readonly Linear _vectors;

    [ComponentName(Name = "dt_proj")]
    private readonly Linear _steps;

    [ComponentName(Name = "out_proj")]
    private readonly Linear _output;

    [ComponentName(Name = "A_log")]
    private readonly Parameter _logRates;

    [ComponentName(Name = "D")]
    private readonly Parameter _skip;

    [ComponentName(Name = "conv1d.weight")]
    private readonly Parameter _taps;

    [ComponentName(Name = "conv1d.bias")]
    private readonly Parameter _tapsBias;

    // Not the linear's own bias: it is added inside the scan, in float32.
    [ComponentName(Name = "dt_proj.bias")]
    private readonly Parameter _stepsBias;

    internal MambaMixer(MambaShape shape, Device? device) : base(nameof(MambaMixer))
    {
        (_inner, _rank, _states) = (shape.Inner, shape.Rank, shape.States);
        _input = this.Register("in_proj", new Linear(shape.Width, 2 * _inner, bias: false, device: device, initialize: false));
        _vectors = this.Register("x_proj", new Linear(_inner, _rank + 2 * _states, bias: false, device: device, initialize: false));
        _steps = this.Register("dt_proj", new Linear(_rank, _inner, bias: false, device: device, initialize: false));
        _output = this.Register("out_proj", new Linear(_inner, shape.Width, bias: false, device: device, initialize: false));
        _logRates = this.Register("A_log", empty(_inner, _states, device: device));
        _skip = this.Register("D", empty(_inner, device: device));
        _taps = this.Register("conv1d.weight", empty(_inner, 1, shape.Taps, device: device));
        _tapsBias = this.Register("conv1d.bias", empty(_inner, device: device));
        _stepsBias = this.Register("dt_proj.bias", empty(_inner, device: device));
    }

    void IKernelSelectable.UseKernels(KernelSet kernels) => _kernels = kernels;

    /// <summary>Mixes a sequence along its scan order.</summary>
    /// <param name="sequence">In storage order. Shape: `[B, L, D]`.</param>
    /// <param name="order">Storage row of each scan token, or null where both orders are one.</param>
    /// <returns>In storage order, in the type of the input. Shape: `[B, L, D]`.</returns>
    internal Tensor Forward(Tensor sequence, ScanOrder? order)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor[] projected = _input.forward(sequence).split([_inner, _inner], 2);
        (Tensor values, Tensor gate) = (projected[0], projected[1]);
        Tensor mixed = CausalConvolution.Apply(values, _taps, _tapsBias, order, _kernels);
        Tensor[] parts = _vectors.forward(mixed).split([_rank, _states, _states], 2);
        Tensor steps = _steps.forward(parts[0]);
        Tensor rates = _logRates.to(SelectiveScanTerms.TypeFor(mixed)).exp().neg();
        Tensor scanned = SelectiveScan.Apply(mixed, steps, rates, parts[1], parts[2], _skip, gate, _stepsBias, order, _kernels);
        return _output.forward(scanned).MoveToOuterDisposeScope();
    }
}
