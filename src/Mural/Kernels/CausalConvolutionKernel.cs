using TorchSharp;
using static TorchSharp.torch;

namespace Mural.Kernels;

/// <summary>How one call of the convolution's kernel runs.</summary>
/// <param name="Order">Storage row of each scan token, or null.</param>
/// <param name="Width">Form of the kernel.</param>
internal sealed record ConvolutionCall(ScanOrder? Order, VectorWidth Width);

/// <summary>Between tensors and the convolution's passes: which inputs they take, and allocation.</summary>
internal static unsafe class CausalConvolutionKernel
{
    internal static bool Serves(Tensor x, Tensor weight) =>
        x.device_type == DeviceType.CPU && Rows.Serves(x.dtype) && weight.shape[2] is >= 1 and <= ConvolutionProblem.MostTaps;

    /// <param name="x">In storage order. Shape: `[B, L, E]`.</param>
    /// <param name="parameters">Taps, then the bias; contiguous float32. Shape: `[K + 1, E]`.</param>
    /// <param name="call">Order and vector width.</param>
    /// <returns>In scan order and in the type of <paramref name="x"/>. Shape: `[B, L, E]`.</returns>
    internal static Tensor Forward(Tensor x, Tensor parameters, ConvolutionCall call)
    {
        Tensor output = empty(x.shape, x.dtype);
        call.Width.Passes<ConvolutionPasses>().Forward(new ConvolutionProblem(x, parameters, call.Order), new Rows(output));
        GC.KeepAlive(x);
        GC.KeepAlive(parameters);
        return output;
    }

    /// <returns>Gradients of input and parameters, in their types and shapes.</returns>
    internal static (Tensor X, Tensor Parameters) Backward(Tensor x, Tensor parameters, Tensor outputGradient, ConvolutionCall call)
    {
        Tensor incoming = Rows.WithJoinedChannels(outputGradient.to(x.dtype)), gradient = empty(x.shape, x.dtype);
        var problem = new ConvolutionProblem(x, parameters, call.Order);
        Tensor sums = empty([problem.Spans.Items, .. parameters.shape]);
        call.Width.Passes<ConvolutionPasses>().Backward(problem, new Rows(incoming), new Rows(gradient), TensorData.Floats(sums));
        GC.KeepAlive(sums);
        GC.KeepAlive(x);
        GC.KeepAlive(parameters);
        GC.KeepAlive(incoming);
        return (gradient, sums.sum([0]));
    }
}

/// <summary>A convolution's inputs as its passes see them. Good while the tensors that it was made of are.</summary>
internal readonly unsafe struct ConvolutionProblem
{
    internal const int MostTaps = 16;

    internal readonly int Length, Channels, Taps;
    internal readonly TokenSpans Spans;
    private readonly Rows _x;
    private readonly float* _parameters;
    private readonly int[]? _order;

    /// <param name="x">Shape: `[B, L, E]`.</param>
    /// <param name="parameters">Shape: `[K + 1, E]`.</param>
    /// <param name="order">Storage row of each scan token, or null.</param>
    internal ConvolutionProblem(Tensor x, Tensor parameters, ScanOrder? order)
    {
        Length = checked((int)x.shape[1]);
        Channels = checked((int)x.shape[2]);
        Taps = checked((int)parameters.shape[0]) - 1;
        Spans = new TokenSpans(checked((int)x.shape[0]), Length);
        _x = new Rows(x);
        _parameters = TensorData.Floats(parameters);
        _order = order?.Rows;
    }

    /// <summary>One tap's weights.</summary>
    internal Row Weights(int tap) => Row.Of(_parameters + (long)tap * Channels);

    internal Row Bias => Weights(Taps);

    /// <summary>Storage row of a scan token.</summary>
    internal int RowOf(int token) => _order is null ? token : _order[token];

    /// <summary>Finds the rows that the taps of a token read.</summary>
    /// <returns>The first tap whose row exists.</returns>
    internal int Window(int sample, int token, Row* rows)
    {
        int first = Math.Max(0, Taps - 1 - token);
        for (int tap = first; tap < Taps; tap++) rows[tap] = _x.At(sample, RowOf(token - Taps + 1 + tap));
        return first;
    }
}
