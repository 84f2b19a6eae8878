using System.Runtime.Intrinsics;
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
        float* weights = TensorData.Floats(parameter), slopes = TensorData.Floats(gradient);
        var moments = new Moments(TensorData.Floats(first), TensorData.Floats(second));
        long count = gradient.numel();
        Workers.Run((int)((count + Piece - 1) / Piece), (piece, _) =>
        {
            long start = (long)piece * Piece;
            int length = (int)Math.Min(Piece, count - start);
            Moments mine = new(moments.First + start, moments.Second + start);
            switch (width)
            {
                case VectorWidth.Bits512: Pass<Lanes512, Vector512<float>>(weights + start, slopes + start, mine, length, factors); break;
                case VectorWidth.Bits256: Pass<Lanes256, Vector256<float>>(weights + start, slopes + start, mine, length, factors); break;
                case VectorWidth.Bits128: Pass<Lanes128, Vector128<float>>(weights + start, slopes + start, mine, length, factors); break;
                default: Pass<LanesScalar, float>(weights + start, slopes + start, mine, length, factors); break;
            }
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

    private static void Pass<L, V>(float* weights, float* gradient, Moments moments, int count, in AdamWFactors factors)
        where L : ILanes<V> where V : unmanaged
    {
        int whole = count - count % L.Count;
        Update<L, V>(weights, gradient, moments, 0, whole, factors);
        // What fills no vector any more goes lane by lane.
        Update<LanesScalar, float>(weights, gradient, moments, whole, count, factors);
    }

    private static void Update<L, V>(float* weights, float* gradient, Moments moments, int from, int to, in AdamWFactors factors)
        where L : ILanes<V> where V : unmanaged
    {
        V keep = L.Create((float)factors.Keep), rest1 = L.Create((float)(1 - factors.Beta1));
        V beta2 = L.Create((float)factors.Beta2), rest2 = L.Create((float)(1 - factors.Beta2));
        V stepSize = L.Create((float)factors.StepSize), scale = L.Create((float)factors.SecondScale), eps = L.Create((float)factors.Eps);
        for (int i = from; i < to; i += L.Count)
        {
            V slope = L.Load(gradient + i), first = L.Load(moments.First + i), second = L.Load(moments.Second + i);
            first = L.Add(first, L.Multiply(L.Subtract(slope, first), rest1));
            second = L.Add(L.Multiply(second, beta2), L.Multiply(L.Multiply(slope, slope), rest2));
            L.Store(first, moments.First + i);
            L.Store(second, moments.Second + i);
            V denominator = L.Add(L.Multiply(L.SquareRoot(second), scale), eps);
            V step = L.Divide(L.Multiply(first, stepSize), denominator);
            L.Store(L.Subtract(L.Multiply(L.Load(weights + i), keep), step), weights + i);
        }
    }

    private readonly struct Moments(float* first, float* second)
    {
        internal float* First { get; } = first;

        internal float* Second { get; } = second;
    }
}
