using Mural.DiM;
using Mural.Kernels;
using Mural.Layers;
using Mural.Runtime;
using TorchSharp;
using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace Mural.LinFusion;

/// <summary>One direction of a <see cref="Mamba2"/>: convolution, steps, recurrence.</summary>
internal sealed class Mamba2Scan : nn.Module
{
    private const int Taps = 4;

    // Rates start evenly between these.
    private const double LeastRate = 1, MostRate = 16;

    private readonly int _heads;

    // The names let module.to(device) put the moved tensors into the fields.
    [ComponentName(Name = "conv1d.weight")]
    private readonly Parameter _taps;

    [ComponentName(Name = "conv1d.bias")]
    private readonly Parameter _tapsBias;

    [ComponentName(Name = "dt_bias")]
    private readonly Parameter _stepsBias;

    [ComponentName(Name = "A_log")]
    private readonly Parameter _logRates;

    [ComponentName(Name = "D")]
    private readonly Parameter _skip;

    internal Mamba2Scan(int channels, int heads, Device? device) : base(nameof(Mamba2Scan))
    {
        _heads = heads;
        _taps = this.Register("conv1d.weight", zeros(3 * channels, 1, Taps, device: device));
        _tapsBias = this.Register("conv1d.bias", zeros(3 * channels, device: device));
        _stepsBias = this.Register("dt_bias", zeros(heads, device: device));
        _logRates = this.Register("A_log", zeros(heads, device: device));
        _skip = this.Register("D", ones(heads, device: device));
    }

    /// <param name="inputs">Values, B and C, each of as many channels. Shape: `[B, N, 3 C]`.</param>
    /// <param name="steps">Before bias and softplus. Shape: `[B, N, H]`.</param>
    /// <param name="kernels">Of the convolution.</param>
    /// <returns>Float32 or wider. Shape: `[B, N, C]`.</returns>
    internal Tensor Forward(Tensor inputs, Tensor steps, KernelSet kernels)
    {
        using DisposeScope scope = NewDisposeScope();
        ScalarType wide = PositiveFeatures.Accumulation(inputs.dtype);
        Tensor[] parts = [.. CausalConvolution.Apply(inputs, _taps, _tapsBias, null, kernels).chunk(3, 2).Select(part => part.unflatten(2, _heads, -1).to(wide))];
        (Tensor values, Tensor keys, Tensor queries) = (parts[0], parts[1], parts[2]);
        Tensor step = nn.functional.softplus(steps.to(wide) + _stepsBias.to(wide), beta: 1, threshold: 20).unsqueeze(-1);
        Tensor decay = step * _logRates.to(wide).exp().neg().view(_heads, 1);
        return (DecayingScan.Apply(queries, keys, values * step, decay) + values * _skip.to(wide).view(_heads, 1)).flatten(2).MoveToOuterDisposeScope();
    }

    /// <summary>Usual steps and rates, and a convolution that passes each token alone.</summary>
    internal void Start(Generator generator)
    {
        _taps.zero_();
        _taps.select(2, Taps - 1).fill_(1);
        _tapsBias.zero_();
        _stepsBias.copy_(MambaInitialization.StepBias(_heads, generator));
        _logRates.copy_(empty(_heads).uniform_(LeastRate, MostRate, generator).log());
        _skip.fill_(1);
    }
}
