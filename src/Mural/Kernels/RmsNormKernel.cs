using TorchSharp;
using static TorchSharp.torch;

namespace Mural.Kernels;

/// <summary>How one call of the norm's kernel runs.</summary>
/// <param name="Epsilon">Added to the mean square.</param>
/// <param name="Type">Type of the result.</param>
/// <param name="Width">Form of the kernel.</param>
internal sealed record RmsNormCall(double Epsilon, ScalarType Type, VectorWidth Width);

/// <summary>Between tensors and the passes of x / √(mean x² + eps) · factor + addend: which inputs they take, and allocation.</summary>
internal static class RmsNormKernel
{
    internal static bool Serves(Tensor x, ScalarType type) => x.device_type == DeviceType.CPU && Rows.Serves(x.dtype) && Rows.Serves(type);

    /// <param name="x">Shape: `[B, L, D]`.</param>
    /// <param name="factor">Contiguous float32. Shape: `[B, D]`, or `[1, D]` for all samples.</param>
    /// <param name="addend">Likewise.</param>
    /// <param name="call">Epsilon, type and vector width.</param>
    internal static Tensor Forward(Tensor x, Tensor factor, Tensor addend, RmsNormCall call)
    {
        Tensor output = empty(x.shape, call.Type);
        call.Width.Passes<RmsNormPasses>().Forward(new RmsNormProblem(x, factor, addend, call), new Rows(output));
        GC.KeepAlive(x);
        GC.KeepAlive(factor);
        GC.KeepAlive(addend);
        return output;
    }

    /// <returns>Gradients of the inputs, in their types and shapes.</returns>
    internal static (Tensor X, Tensor Factor, Tensor Addend) Backward(Tensor x, Tensor factor, Tensor addend, Tensor outputGradient, RmsNormCall call)
    {
        Tensor incoming = Rows.WithJoinedChannels(outputGradient.to(call.Type)), gradient = empty(x.shape, x.dtype);
        var problem = new RmsNormProblem(x, factor, addend, call);
        Tensor sums = empty(problem.Spans.Items, 2, problem.Channels);
        call.Width.Passes<RmsNormPasses>().Backward(problem, new Rows(incoming), new Rows(gradient), new Rows(sums));
        GC.KeepAlive(x);
        GC.KeepAlive(factor);
        GC.KeepAlive(addend);
        GC.KeepAlive(incoming);
        Tensor samples = sums.view(x.shape[0], problem.Spans.PerSample, 2, problem.Channels).sum([1]);
        return (gradient, ToShapeOf(factor, samples.select(1, 0)), ToShapeOf(addend, samples.select(1, 1)));
    }

    private static Tensor ToShapeOf(Tensor row, Tensor samples) => row.shape[0] == samples.shape[0] ? samples.contiguous() : samples.sum([0], keepdim: true);
}

/// <summary>A norm's inputs as its passes see them. Good while the tensors that it was made of are.</summary>
internal readonly struct RmsNormProblem
{
    internal readonly int Channels;
    internal readonly float Epsilon;
    internal readonly TokenSpans Spans;
    internal readonly Rows X;
    private readonly Rows _factor, _addend;

    internal RmsNormProblem(Tensor x, Tensor factor, Tensor addend, RmsNormCall call)
    {
        Channels = checked((int)x.shape[2]);
        Epsilon = (float)call.Epsilon;
        Spans = new TokenSpans(checked((int)x.shape[0]), checked((int)x.shape[1]));
        X = new Rows(x);
        using Tensor factors = PerSample(factor, x.shape[0]), addends = PerSample(addend, x.shape[0]);
        _factor = new Rows(factors);
        _addend = new Rows(addends);
    }

    internal Row Factor(int sample) => _factor.At(sample, 0);

    internal Row Addend(int sample) => _addend.At(sample, 0);

    private static Tensor PerSample(Tensor row, long samples)
    {
        using Tensor one = row.unsqueeze(1);
        return one.expand(samples, 1, row.shape[1]);
    }
}
