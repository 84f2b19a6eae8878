using Mural.Runtime;
using TorchSharp;
using static TorchSharp.torch;

namespace Mural.Kernels;

/// <summary>The causal depthwise convolution before a selective scan, with its SiLU (spec dim.md 1.8, step 2).</summary>
internal static class CausalConvolution
{
    /// <summary>Token t of the result is SiLU(bias + Σ_k weight[k] · x[order[t - K + 1 + k]]), rows before the first counting as zero.</summary>
    /// <param name="x">In storage order; rows may lie apart, as in one half of a projection. Shape: `[B, L, E]`.</param>
    /// <param name="weight">Shape: `[E, 1, K]`.</param>
    /// <param name="bias">Shape: `[E]`.</param>
    /// <param name="order">Storage row of each scan token; null where both orders are one.</param>
    /// <param name="kernels">Hand-written kernel or plain operators.</param>
    /// <returns>In scan order, contiguous, in the type of <paramref name="x"/>. Shape: `[B, L, E]`.</returns>
    internal static Tensor Apply(Tensor x, Tensor weight, Tensor bias, ScanOrder? order, KernelSet kernels) =>
        kernels == KernelSet.Mural && CausalConvolutionKernel.Serves(x, weight)
            ? Fused(x, weight, bias, order, VectorWidths.Best)
            : Reference(x, weight, bias, order);

    /// <summary>The hand-written kernel, whose arithmetic is float32.</summary>
    internal static Tensor Fused(Tensor x, Tensor weight, Tensor bias, ScanOrder? order, VectorWidth width)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor rows = Rows.WithJoinedChannels(x);
        // Taps and bias as rows over channels, like the tokens. The operators are differentiable, so the kernel's gradient takes this form too.
        Tensor taps = weight.to(ScalarType.Float32).reshape(weight.shape[0], weight.shape[2]).t();
        Tensor parameters = cat([taps, bias.to(ScalarType.Float32).unsqueeze(0)]);
        var call = new ConvolutionCall(order, width);
        bool recorded = Gradients.AreRecorded(rows, parameters);
        Tensor result = recorded ? CausalConvolutionFunction.apply(rows, parameters, call) : CausalConvolutionKernel.Forward(rows, parameters, call);
        return result.MoveToOuterDisposeScope();
    }

    /// <summary>The same with libtorch operators; the arithmetic is float32, or float64 where <paramref name="x"/> is float64.</summary>
    internal static Tensor Reference(Tensor x, Tensor weight, Tensor bias, ScanOrder? order)
    {
        using DisposeScope scope = NewDisposeScope();
        long length = x.shape[1], taps = weight.shape[2];
        if (length == 0) return x.clone().MoveToOuterDisposeScope();
        ScalarType inner = x.dtype == ScalarType.Float64 ? ScalarType.Float64 : ScalarType.Float32;
        Tensor rows = order is null ? x : x.index_select(1, order.IndexOn(x.device));
        Tensor padded = nn.functional.pad(rows.transpose(1, 2).to(inner), (taps - 1, 0));
        Tensor sum = nn.functional.conv1d(padded, weight.to(inner), bias.to(inner), groups: x.shape[2]);
        return nn.functional.silu(sum).transpose(1, 2).contiguous().to(x.dtype).MoveToOuterDisposeScope();
    }
}
