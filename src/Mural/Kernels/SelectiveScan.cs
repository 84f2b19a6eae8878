using Mural.Runtime;
using TorchSharp;
using static TorchSharp.torch;

namespace Mural.Kernels;

/// <summary>
/// The selective scan of Mamba-1 with everything around it that is per channel: softplus of delta, D skip and SiLU gate (spec dim.md 2).
/// Token-major, so that inputs are the projections' own outputs.
/// </summary>
internal static class SelectiveScan
{
    /// <summary>
    /// h_t = exp(δ_t A) h_{t-1} + δ_t B_t u_t;  y_t = C_t·h_t + D u_t;  output = y · SiLU(z), with δ = softplus(delta + deltaBias).
    /// </summary>
    /// <param name="u">Values after convolution and SiLU, in scan order. Shape: `[B, L, E]`.</param>
    /// <param name="delta">Step sizes before bias and softplus, in scan order. Shape: `[B, L, E]`.</param>
    /// <param name="a">Decay rates, negative. Shape: `[E, N]`.</param>
    /// <param name="b">Input vectors, in scan order. Shape: `[B, L, N]`.</param>
    /// <param name="c">Output vectors, in scan order. Shape: `[B, L, N]`.</param>
    /// <param name="skip">D, added before the gate. Shape: `[E]`.</param>
    /// <param name="z">Gate before SiLU, in storage order, or null for none. Shape: `[B, L, E]`.</param>
    /// <param name="deltaBias">Shape: `[E]`, or null for none.</param>
    /// <param name="order">Storage row of each scan token; null where both orders are one.</param>
    /// <param name="kernels">Hand-written kernel, or chunks of libtorch's operators where it does not serve; or the recurrence step by step.</param>
    /// <returns>Output in storage order and in the type of <paramref name="u"/>. Shape: `[B, L, E]`.</returns>
    internal static Tensor Apply(
        Tensor u, Tensor delta, Tensor a, Tensor b, Tensor c, Tensor skip, Tensor? z, Tensor? deltaBias, ScanOrder? order, KernelSet kernels)
    {
        if (kernels == KernelSet.Mural && SelectiveScanKernel.Serves(u, delta, b, c, z))
            return Run(u, delta, a, b, c, skip, z, deltaBias, new ScanCall(order, VectorWidths.Best));
        (Tensor output, Tensor last) = Plain(u, delta, a, b, c, skip, z, deltaBias, order, kernels);
        last.Dispose();
        return output;
    }

    /// <summary>As <see cref="Apply"/>, and the state after the last token, in float32, which takes no gradient. Shape: `[B, E, N]`.</summary>
    internal static (Tensor Output, Tensor LastState) ApplyWithState(
        Tensor u, Tensor delta, Tensor a, Tensor b, Tensor c, Tensor skip, Tensor? z, Tensor? deltaBias, ScanOrder? order, KernelSet kernels)
    {
        if (kernels == KernelSet.Libtorch || !SelectiveScanKernel.Serves(u, delta, b, c, z))
            return Plain(u, delta, a, b, c, skip, z, deltaBias, order, kernels);
        Tensor last = empty(u.shape[0], u.shape[2], a.shape[1]);
        return (Run(u, delta, a, b, c, skip, z, deltaBias, new ScanCall(order, VectorWidths.Best) { LastState = last }), last);
    }

    // Devices without the kernel pay for every operator that they start: there the chunked form. Plain libtorch is what one would write in PyTorch.
    private static (Tensor Output, Tensor LastState) Plain(
        Tensor u, Tensor delta, Tensor a, Tensor b, Tensor c, Tensor skip, Tensor? z, Tensor? deltaBias, ScanOrder? order, KernelSet kernels) =>
        kernels == KernelSet.Mural
            ? SelectiveScanChunked.Apply(u, delta, a, b, c, skip, z, deltaBias, order)
            : SelectiveScanReference.Apply(u, delta, a, b, c, skip, z, deltaBias, order);

    /// <summary>The hand-written kernel, in the form that <paramref name="call"/> says.</summary>
    internal static Tensor Run(Tensor u, Tensor delta, Tensor a, Tensor b, Tensor c, Tensor skip, Tensor? z, Tensor? deltaBias, ScanCall call)
    {
        using DisposeScope scope = NewDisposeScope();
        ScanInputs inputs = SelectiveScanKernel.Prepare(u, delta, a, b, c, skip, z, deltaBias, call.Order);
        bool differentiate = Gradients.AreRecorded(u, delta, a, b, c, skip, z, deltaBias);
        Tensor output = differentiate ? SelectiveScanFunction.Apply(inputs, call) : SelectiveScanKernel.Forward(inputs, call);
        return output.MoveToOuterDisposeScope();
    }
}
