using Mural.Kernels;
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
internal static unsafe class AdamWKernel
{
    // Elements that one worker takes at a time: a multiple of every vector's lanes, 256 KB of each array.
    private const int Piece = 1 << 16;

    internal static bool Supports(Tensor parameter, Tensor gradient) =>
        parameter.device_type == DeviceType.CPU && parameter.dtype == ScalarType.Float32 && gradient.dtype == ScalarType.Float32
        && parameter.is_contiguous() && gradient.is_contiguous();

    /// <summary>The fused update of CPU tensors that <see cref="Supports"/> accepts.</summary>
    /// <param name="parameter">The weights, changed.</param>
    /// <param name="gradient">Their gradient.</param>
    /// <param name="first">Moving average of the gradient, changed.</param>
    /// <param name="second">Moving average of the squared gradient, changed.</param>
    /// <param name="factors">The step's numbers.</param>
    /// <param name="width">Which form runs.</param>
    internal static void Run(Tensor parameter, Tensor gradient, Tensor first, Tensor second, AdamWFactors factors, VectorWidth width)
    {
        AdamWPasses passes = width.Passes<AdamWPasses>();
        var arrays = new AdamWArrays(TensorData.Floats(parameter), TensorData.Floats(gradient), TensorData.Floats(first), TensorData.Floats(second));
        long count = gradient.numel();
        Workers.Run((int)((count + Piece - 1) / Piece), (piece, _) =>
        {
            long start = (long)piece * Piece;
            passes.Run(arrays.From(start), (int)Math.Min(Piece, count - start), factors);
        });
    }

    /// <summary>The same update with libtorch's operators, on any device.</summary>
    internal static void Reference(Tensor parameter, Tensor gradient, Tensor first, Tensor second, AdamWFactors factors)
    {
        using var scope = NewDisposeScope();
        parameter.mul_(factors.Keep);
        first.lerp_(gradient, tensor(1 - factors.Beta1, first.dtype, first.device));
        second.mul_(factors.Beta2).addcmul_(gradient, gradient, 1 - factors.Beta2);
        Tensor denominator = second.sqrt().mul_(factors.SecondScale).add_(factors.Eps);
        parameter.addcdiv_(first, denominator, -factors.StepSize);
    }
}
