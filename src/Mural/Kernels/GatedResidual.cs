using Mural.Runtime;
using TorchSharp;
using static TorchSharp.torch;

namespace Mural.Kernels;

/// <summary>The end of a block: the mixer's result joins the residual stream (spec dim.md 1.7, step 4).</summary>
internal static class GatedResidual
{
    /// <summary>stream + (1 + gate) · mixed.</summary>
    /// <param name="stream">Shape: `[B, L, D]`.</param>
    /// <param name="mixed">Shape: `[B, L, D]`.</param>
    /// <param name="gate">One row a sample. Shape: `[B, D]` or `[B, 1, D]`.</param>
    /// <param name="kernels">Hand-written kernel or plain operators.</param>
    /// <returns>In the type of <paramref name="stream"/>. Shape: `[B, L, D]`.</returns>
    internal static Tensor Apply(Tensor stream, Tensor mixed, Tensor gate, KernelSet kernels) =>
        kernels == KernelSet.Mural && GatedResidualKernel.Serves(stream, mixed)
            ? Fused(stream, mixed, gate, VectorWidths.Best)
            : Reference(stream, mixed, gate);

    /// <summary>The hand-written kernel, whose arithmetic is float32.</summary>
    internal static Tensor Fused(Tensor stream, Tensor mixed, Tensor gate, VectorWidth width)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor kept = Rows.WithJoinedChannels(stream), added = Rows.WithJoinedChannels(mixed);
        Tensor factor = 1 + gate.to(ScalarType.Float32).reshape(gate.shape[0], gate.shape[^1]);
        bool recorded = Gradients.AreRecorded(kept, added, factor);
        Tensor result = recorded ? GatedResidualFunction.apply(kept, added, factor.contiguous(), width) : GatedResidualKernel.Forward(kept, added, factor.contiguous(), width);
        return result.MoveToOuterDisposeScope();
    }

    /// <summary>The same with libtorch operators.</summary>
    internal static Tensor Reference(Tensor stream, Tensor mixed, Tensor gate)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor rows = 1 + gate.to(stream.dtype).reshape(gate.shape[0], 1, gate.shape[^1]);
        return (stream + rows * mixed.to(stream.dtype)).MoveToOuterDisposeScope();
    }
}
