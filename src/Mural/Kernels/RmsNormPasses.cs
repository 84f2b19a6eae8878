using System.Runtime.CompilerServices;

namespace Mural.Kernels;

/// <summary>The loops of the norm, forward and backward.</summary>
internal abstract class RmsNormPasses : IVectorized<RmsNormPasses>
{
    public static RmsNormPasses Over<T, V>() where T : ILanes<V> where V : unmanaged => new RmsNormPasses<T, V>();

    /// <param name="problem">Inputs.</param>
    /// <param name="output">Is written. Shape: `[B, L, D]`.</param>
    internal abstract void Forward(RmsNormProblem problem, Rows output);

    /// <param name="problem">Inputs.</param>
    /// <param name="outputGradient">Shape: `[B, L, D]`.</param>
    /// <param name="xGradient">Is written. Shape: `[B, L, D]`.</param>
    /// <param name="sums">Each span's part of the gradients of factor and addend is written. float32. Shape: `[spans, 2, D]`.</param>
    internal abstract void Backward(RmsNormProblem problem, Rows outputGradient, Rows xGradient, Rows sums);
}

/// <summary>The loops at one vector width. A row is read twice, the second time from the first-level cache.</summary>
internal sealed class RmsNormPasses<T, V> : RmsNormPasses
    where T : ILanes<V>
    where V : unmanaged
{
    internal override void Forward(RmsNormProblem problem, Rows output) => Workers.Run(problem.Spans.Items, (item, _) => Forward(problem, output, item));

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Forward(in RmsNormProblem problem, in Rows output, int item)
    {
        (int sample, int start, int end) = problem.Spans.Of(item);
        Row factor = problem.Factor(sample), addend = problem.Addend(sample);
        for (int token = start; token < end; token++)
        {
            Row x = problem.X.At(sample, token), target = output.At(sample, token);
            V squares = T.Create(0);
            for (int channel = 0; channel < problem.Channels; channel += T.Count)
            {
                V value = x.Load<T, V>(channel, problem.Channels - channel);
                squares = T.MultiplyAdd(value, value, squares);
            }
            V root = T.Create(Root(problem, squares));
            for (int channel = 0; channel < problem.Channels; channel += T.Count)
            {
                int left = problem.Channels - channel;
                V normed = T.Multiply(x.Load<T, V>(channel, left), root);
                target.Store<T, V>(T.MultiplyAdd(normed, factor.Load<T, V>(channel, left), addend.Load<T, V>(channel, left)), channel, left);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Root(in RmsNormProblem problem, V squares) => 1 / MathF.Sqrt(LaneMath.Sum<T, V>(squares) / problem.Channels + problem.Epsilon);

    internal override void Backward(RmsNormProblem problem, Rows outputGradient, Rows xGradient, Rows sums) =>
        Workers.Run(problem.Spans.Items, (item, _) => Backward(problem, outputGradient, xGradient, sums, item));

    // With w the factor and r the root: g_x = r·(w·g) - x·r³/D·Σ w·g·x, g_w = Σ g·x·r (spec dim.md 2.2).
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Backward(in RmsNormProblem problem, in Rows outputGradient, in Rows xGradient, in Rows sums, int item)
    {
        (int sample, int start, int end) = problem.Spans.Of(item);
        Row factor = problem.Factor(sample), factorSum = sums.At(item, 0), addendSum = sums.At(item, 1);
        for (int channel = 0; channel < problem.Channels; channel += T.Count)
        {
            factorSum.Store<T, V>(T.Create(0), channel, problem.Channels - channel);
            addendSum.Store<T, V>(T.Create(0), channel, problem.Channels - channel);
        }
        for (int token = start; token < end; token++)
        {
            Row x = problem.X.At(sample, token), gradient = outputGradient.At(sample, token), target = xGradient.At(sample, token);
            V squares = T.Create(0), products = T.Create(0);
            for (int channel = 0; channel < problem.Channels; channel += T.Count)
            {
                int left = problem.Channels - channel;
                V value = x.Load<T, V>(channel, left);
                squares = T.MultiplyAdd(value, value, squares);
                products = T.MultiplyAdd(T.Multiply(gradient.Load<T, V>(channel, left), factor.Load<T, V>(channel, left)), value, products);
            }
            float inverse = Root(problem, squares);
            V root = T.Create(inverse), pull = T.Create(-inverse * inverse * LaneMath.Sum<T, V>(products) / problem.Channels);
            for (int channel = 0; channel < problem.Channels; channel += T.Count)
            {
                int left = problem.Channels - channel;
                V value = x.Load<T, V>(channel, left), grad = gradient.Load<T, V>(channel, left);
                V inner = T.MultiplyAdd(value, pull, T.Multiply(grad, factor.Load<T, V>(channel, left)));
                target.Store<T, V>(T.Multiply(inner, root), channel, left);
                factorSum.Store<T, V>(T.MultiplyAdd(grad, T.Multiply(value, root), factorSum.Load<T, V>(channel, left)), channel, left);
                addendSum.Store<T, V>(T.Add(grad, addendSum.Load<T, V>(channel, left)), channel, left);
            }
        }
    }
}
