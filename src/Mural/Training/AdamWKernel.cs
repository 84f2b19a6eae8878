using System.Numerics;
using System.Runtime.InteropServices;
using TorchSharp;
using static TorchSharp.torch;

namespace Mural.Training;

/// <summary>The numbers of one AdamW step, the same for all parameters; computed in float64.</summary>
internal readonly struct AdamWFactors(OptimizerConfig config, double learningRate, long step)
{
    internal double Beta1 { get; } = config.Betas[0];

    internal double Beta2 { get; } = config.Betas[1];

    internal double Eps { get; } = config.Eps;

    internal double Keep { get; } = 1 - learningRate * config.WeightDecay;

    internal double StepSize { get; } = learningRate / (1 - Math.Pow(config.Betas[0], step));

    internal double SecondScale { get; } = 1 / Math.Sqrt(1 - Math.Pow(config.Betas[1], step));
}

/// <summary>One AdamW update of one parameter, in place: a fused pass over four arrays instead of a dozen operators.</summary>
internal static class AdamWKernel
{
    internal static bool Supports(Tensor parameter, Tensor gradient) =>
        parameter.device_type == DeviceType.CPU && parameter.dtype == ScalarType.Float32 && gradient.dtype == ScalarType.Float32
        && parameter.is_contiguous() && gradient.is_contiguous();

    internal static void Run(Tensor parameter, Tensor gradient, Tensor first, Tensor second, in AdamWFactors factors)
    {
        Span<float> p = Values(parameter), m = Values(first), v = Values(second);
        Span<float> g = Values(gradient);
        float keep = (float)factors.Keep, beta1 = (float)(1 - factors.Beta1), beta2 = (float)factors.Beta2, rest2 = (float)(1 - factors.Beta2);
        float stepSize = (float)factors.StepSize, scale = (float)factors.SecondScale, eps = (float)factors.Eps;
        int width = Vector<float>.Count, i = 0;
        Span<Vector<float>> ps = MemoryMarshal.Cast<float, Vector<float>>(p), ms = MemoryMarshal.Cast<float, Vector<float>>(m), vs = MemoryMarshal.Cast<float, Vector<float>>(v);
        Span<Vector<float>> gs = MemoryMarshal.Cast<float, Vector<float>>(g);
        var epsilon = new Vector<float>(eps);
        for (int k = 0; k < gs.Length; k++)
        {
            Vector<float> grad = gs[k];
            Vector<float> moment = ms[k] + (grad - ms[k]) * beta1;
            Vector<float> square = vs[k] * beta2 + grad * grad * rest2;
            ms[k] = moment;
            vs[k] = square;
            ps[k] = ps[k] * keep - moment * stepSize / (Vector.SquareRoot(square) * scale + epsilon);
        }
        for (i = gs.Length * width; i < g.Length; i++)
        {
            float moment = m[i] + (g[i] - m[i]) * beta1;
            float square = v[i] * beta2 + g[i] * g[i] * rest2;
            m[i] = moment;
            v[i] = square;
            p[i] = p[i] * keep - moment * stepSize / (MathF.Sqrt(square) * scale + eps);
        }
    }

    /// <summary>The same update with libtorch's operators, on any device.</summary>
    internal static void Reference(Tensor parameter, Tensor gradient, Tensor first, Tensor second, in AdamWFactors factors)
    {
        using var scope = NewDisposeScope();
        parameter.mul_(factors.Keep);
        first.lerp_(gradient, tensor(1 - factors.Beta1, first.dtype, first.device));
        second.mul_(factors.Beta2).addcmul_(gradient, gradient, 1 - factors.Beta2);
        Tensor denominator = second.sqrt().mul_(factors.SecondScale).add_(factors.Eps);
        parameter.addcdiv_(first, denominator, -factors.StepSize);
    }

    // Spans over the tensors' own memory; a parameter never has 2^31 elements or more in float32 training on a CPU.
    private static unsafe Span<float> Values(Tensor tensor) => MemoryMarshal.Cast<byte, float>(tensor.bytes);
}
