using Mural.Runtime;
using TorchSharp;
using static TorchSharp.torch;

namespace Mural.Kernels;

/// <summary>RMS norm followed by an adaptive scale and shift (spec dim.md 1.7, step 3).</summary>
internal static class ModulatedRmsNorm
{
    /// <summary>x / √(mean x² + eps) · weight · (1 + scale) + shift.</summary>
    /// <param name="x">Shape: `[B, L, D]`.</param>
    /// <param name="weight">Shape: `[D]`.</param>
    /// <param name="eps">Added to the mean square, inside the root.</param>
    /// <param name="scale">One row a sample, or null for none. Shape: `[B, D]` or `[B, 1, D]`.</param>
    /// <param name="shift">One row a sample, or null for none. Shape: `[B, D]` or `[B, 1, D]`.</param>
    /// <param name="type">Type of the result; the arithmetic is float32.</param>
    /// <param name="kernels">Hand-written kernel or plain operators.</param>
    /// <returns>Shape: `[B, L, D]`.</returns>
    internal static Tensor Apply(Tensor x, Tensor weight, double eps, Tensor? scale, Tensor? shift, ScalarType type, KernelSet kernels) =>
        kernels == KernelSet.Mural && RmsNormKernel.Serves(x, type)
            ? Fused(x, weight, eps, scale, shift, type, VectorWidths.Best)
            : Reference(x, weight, eps, scale, shift, type);

    /// <summary>The hand-written kernel.</summary>
    internal static Tensor Fused(Tensor x, Tensor weight, double eps, Tensor? scale, Tensor? shift, ScalarType type, VectorWidth width)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor rows = Rows.WithJoinedChannels(x);
        // One number a channel multiplies and one is added. These operators over one row a sample are differentiable, so the kernel knows no weight.
        Tensor factor = weight.to(ScalarType.Float32).unsqueeze(0);
        if (scale is not null) factor = factor * (1 + Flat(scale));
        Tensor addend = shift is null ? zeros(1, x.shape[2]) : Flat(shift);
        var call = new RmsNormCall(eps, type, width);
        bool recorded = Gradients.AreRecorded(rows, factor, addend);
        factor = factor.contiguous();
        addend = addend.contiguous();
        Tensor result = recorded ? RmsNormFunction.apply(rows, factor, addend, call) : RmsNormKernel.Forward(rows, factor, addend, call);
        return result.MoveToOuterDisposeScope();
    }

    private static Tensor Flat(Tensor modulation) => modulation.to(ScalarType.Float32).reshape(modulation.shape[0], modulation.shape[^1]);

    /// <summary>The same with libtorch operators; in float64 where <paramref name="x"/> is float64.</summary>
    internal static Tensor Reference(Tensor x, Tensor weight, double eps, Tensor? scale, Tensor? shift, ScalarType type)
    {
        using DisposeScope scope = NewDisposeScope();
        ScalarType inner = x.dtype == ScalarType.Float64 ? ScalarType.Float64 : ScalarType.Float32;
        Tensor wide = x.to(inner);
        Tensor result = wide * (wide.square().mean([-1], keepdim: true) + eps).rsqrt() * weight.to(inner);
        if (scale is not null) result = result * (1 + Row(scale, inner));
        if (shift is not null) result = result + Row(shift, inner);
        return result.to(type).MoveToOuterDisposeScope();
    }

    private static Tensor Row(Tensor modulation, ScalarType type) => modulation.to(type).reshape(modulation.shape[0], 1, modulation.shape[^1]);
}
