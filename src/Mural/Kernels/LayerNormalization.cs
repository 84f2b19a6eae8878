using Mural.Runtime;
using TorchSharp;
using static TorchSharp.torch;

namespace Mural.Kernels;

/// <summary>Layer norm over the last dimension.</summary>
internal static class LayerNormalization
{
    /// <summary>(x - mean) / √(variance + epsilon) · weight + bias, mean and variance over the channels of a token.</summary>
    /// <param name="input">Shape: <c>[..., C]</c>.</param>
    /// <param name="weight">Shape: <c>[C]</c>.</param>
    /// <param name="bias">Shape: <c>[C]</c>.</param>
    /// <param name="epsilon">Added to the variance.</param>
    /// <param name="kernels">Hand-written kernel or plain operators, which also run where gradients are recorded.</param>
    /// <returns>In the input's type. Shape: <c>[..., C]</c>.</returns>
    internal static Tensor Apply(Tensor input, Tensor weight, Tensor bias, double epsilon, KernelSet kernels)
    {
        bool recorded = Gradients.AreRecorded(input, weight, bias);
        return kernels == KernelSet.Mural && !recorded && input.device_type == DeviceType.CPU && Rows.Serves(input.dtype) && input.dim() == 3
            ? Fused(input, weight, bias, epsilon, VectorWidths.Best) : Reference(input, weight, bias, epsilon);
    }

    /// <summary>The hand-written kernel, whose arithmetic is float32. Shape of the input: <c>[B, N, C]</c>.</summary>
    internal static Tensor Fused(Tensor input, Tensor weight, Tensor bias, double epsilon, VectorWidth width)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor rows = Rows.WithJoinedChannels(input), output = empty(input.shape, input.dtype);
        Tensor scale = weight.to(ScalarType.Float32).contiguous(), addend = bias.to(ScalarType.Float32).contiguous();
        width.Passes<LayerNormPasses>().Forward(new LayerNormProblem(rows, scale, addend, epsilon), new Rows(output));
        GC.KeepAlive(rows);
        GC.KeepAlive(scale);
        GC.KeepAlive(addend);
        return output.MoveToOuterDisposeScope();
    }

    /// <summary>The same with libtorch operators.</summary>
    internal static Tensor Reference(Tensor input, Tensor weight, Tensor bias, double epsilon)
    {
        // On the CPU libtorch takes float32 scales beside a reduced-precision input; elsewhere the types must be equal.
        bool mixed = input.device_type == DeviceType.CPU && input.dtype is ScalarType.BFloat16 or ScalarType.Float16;
        ScalarType type = mixed ? ScalarType.Float32 : input.dtype;
        using Tensor scale = weight.to(type), addend = bias.to(type);
        return nn.functional.layer_norm(input, [input.shape[^1]], scale, addend, epsilon);
    }
}

/// <summary>A norm's inputs as its passes see them. Good while the tensors that it was made of are.</summary>
internal readonly unsafe struct LayerNormProblem
{
    internal readonly int Channels;
    internal readonly double Epsilon;
    internal readonly TokenSpans Spans;
    internal readonly Rows X;
    private readonly float* _weight, _bias;

    internal LayerNormProblem(Tensor x, Tensor weight, Tensor bias, double epsilon)
    {
        Channels = checked((int)x.shape[2]);
        Epsilon = epsilon;
        Spans = new TokenSpans(checked((int)x.shape[0]), checked((int)x.shape[1]));
        X = new Rows(x);
        _weight = TensorData.Floats(weight);
        _bias = TensorData.Floats(bias);
    }

    internal Row Weight => Row.Of(_weight);

    internal Row Bias => Row.Of(_bias);
}
