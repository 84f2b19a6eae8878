using static TorchSharp.torch;

namespace Mural.Kernels;

/// <summary>The end of a scan with plain operators: back to storage order, then the gate.</summary>
internal static class SelectiveScanGate
{
    /// <param name="y">In scan order. Shape: `[B, L, E]`.</param>
    /// <param name="z">In storage order, or null. Shape: `[B, L, E]`.</param>
    /// <param name="order">Storage row of each scan token, or null.</param>
    internal static Tensor ToStorage(Tensor y, Tensor? z, ScanOrder? order)
    {
        if (order is not null) y = y.index_select(1, order.InverseOn(y.device));
        return z is null ? y : y * nn.functional.silu(z);
    }
}
