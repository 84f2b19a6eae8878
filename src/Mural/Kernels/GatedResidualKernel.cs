using TorchSharp;
using static TorchSharp.torch;

namespace Mural.Kernels;

/// <summary>Between tensors and the passes of stream + factor · mixed: which inputs they take, and allocation.</summary>
internal static class GatedResidualKernel
{
    internal static bool Serves(Tensor stream, Tensor mixed) => stream.device_type == DeviceType.CPU && Rows.Serves(stream.dtype) && Rows.Serves(mixed.dtype);

    /// <param name="stream">Shape: `[B, L, D]`.</param>
    /// <param name="mixed">Shape: `[B, L, D]`.</param>
    /// <param name="factor">Contiguous float32. Shape: `[B, D]`.</param>
    /// <param name="width">Form of the kernel.</param>
    /// <returns>In the type of <paramref name="stream"/>.</returns>
    internal static Tensor Forward(Tensor stream, Tensor mixed, Tensor factor, VectorWidth width)
    {
        Tensor output = empty(stream.shape, stream.dtype);
        width.Passes<GatedResidualPasses>().Forward(new GatedResidualProblem(mixed, factor), new Rows(stream), new Rows(output));
        GC.KeepAlive(stream);
        GC.KeepAlive(mixed);
        GC.KeepAlive(factor);
        return output;
    }

    /// <returns>Gradients in the types and shapes of the inputs.</returns>
    internal static (Tensor Mixed, Tensor Factor) Backward(Tensor mixed, Tensor factor, Tensor outputGradient, VectorWidth width)
    {
        Tensor incoming = Rows.WithJoinedChannels(outputGradient), gradient = empty(mixed.shape, mixed.dtype);
        var problem = new GatedResidualProblem(mixed, factor);
        Tensor sums = empty(mixed.shape[0], problem.Spans.PerSample, problem.Channels);
        width.Passes<GatedResidualPasses>().Backward(problem, new Rows(incoming), new Rows(gradient), new Rows(sums));
        GC.KeepAlive(mixed);
        GC.KeepAlive(factor);
        GC.KeepAlive(incoming);
        return (gradient, sums.sum([1]));
    }
}

/// <summary>What forward and backward share of their inputs. Good while the tensors that it was made of are.</summary>
internal readonly struct GatedResidualProblem
{
    internal readonly int Channels;
    internal readonly TokenSpans Spans;
    internal readonly Rows Mixed;
    private readonly Rows _factor;

    internal GatedResidualProblem(Tensor mixed, Tensor factor)
    {
        Channels = checked((int)mixed.shape[2]);
        Spans = new TokenSpans(checked((int)mixed.shape[0]), checked((int)mixed.shape[1]));
        Mixed = new Rows(mixed);
        using Tensor rows = factor.unsqueeze(1);
        _factor = new Rows(rows);
    }

    internal Row Factor(int sample) => _factor.At(sample, 0);
}
