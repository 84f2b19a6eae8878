using Mural.Runtime;
using TorchSharp;
using static TorchSharp.torch;

namespace Mural.Kernels;

/// <summary>GEGLU: the first half of the channels times GELU of the second (spec stable-diffusion.md 2.4), read once and written once.</summary>
internal static class GatedGelu
{
    /// <summary>a · g Φ(g), where Φ is the distribution function of the normal distribution.</summary>
    /// <param name="pair">The halves a and g side by side. Shape: <c>[B, N, 2 C]</c>.</param>
    /// <param name="kernels">Hand-written kernel or plain operators, which also run where gradients are recorded.</param>
    /// <returns>In the type of <paramref name="pair"/>. Shape: <c>[B, N, C]</c>.</returns>
    internal static Tensor Apply(Tensor pair, KernelSet kernels)
    {
        bool recorded = Gradients.AreRecorded(pair);
        return kernels == KernelSet.Mural && !recorded && pair.device_type == DeviceType.CPU && Rows.Serves(pair.dtype) && pair.dim() == 3
            ? Fused(pair, VectorWidths.Best) : Reference(pair);
    }

    /// <summary>The hand-written kernel, whose arithmetic is float32.</summary>
    internal static Tensor Fused(Tensor pair, VectorWidth width)
    {
        using Tensor rows = Rows.WithJoinedChannels(pair);
        Tensor output = empty([pair.shape[0], pair.shape[1], pair.shape[2] / 2], pair.dtype);
        width.Passes<GatedGeluPasses>().Forward(
            new Rows(rows), new Rows(output), new TokenSpans(checked((int)pair.shape[0]), checked((int)pair.shape[1])), checked((int)output.shape[2]));
        GC.KeepAlive(rows);
        return output;
    }

    /// <summary>The same with libtorch operators.</summary>
    internal static Tensor Reference(Tensor pair)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor[] halves = pair.chunk(2, -1);
        Tensor gate = halves[1].gelu();
        return (gate.requires_grad ? halves[0] * gate : gate.mul_(halves[0])).MoveToOuterDisposeScope();
    }
}
