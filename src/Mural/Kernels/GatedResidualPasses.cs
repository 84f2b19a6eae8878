using System.Runtime.CompilerServices;

namespace Mural.Kernels;

/// <summary>The loops of the gated residual, forward and backward.</summary>
internal abstract class GatedResidualPasses : IVectorized<GatedResidualPasses>
{
    public static GatedResidualPasses Over<T, V>() where T : ILanes<V> where V : unmanaged => new GatedResidualPasses<T, V>();

    /// <param name="problem">What is added.</param>
    /// <param name="stream">Shape: `[B, L, D]`.</param>
    /// <param name="output">Is written. Shape: `[B, L, D]`.</param>
    internal abstract void Forward(GatedResidualProblem problem, Rows stream, Rows output);

    /// <param name="problem">What was added.</param>
    /// <param name="outputGradient">Shape: `[B, L, D]`.</param>
    /// <param name="mixedGradient">Is written. Shape: `[B, L, D]`.</param>
    /// <param name="sums">Each span's part of the factor's gradient is written. float32. Shape: `[B, spans of a sample, D]`.</param>
    internal abstract void Backward(GatedResidualProblem problem, Rows outputGradient, Rows mixedGradient, Rows sums);
}

/// <summary>The loops at one vector width.</summary>
internal sealed class GatedResidualPasses<T, V> : GatedResidualPasses
    where T : ILanes<V>
    where V : unmanaged
{
    internal override void Forward(GatedResidualProblem problem, Rows stream, Rows output) =>
        Workers.Run(problem.Spans.Items, (item, _) => Forward(problem, stream, output, item));

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Forward(in GatedResidualProblem problem, in Rows stream, in Rows output, int item)
    {
        (int sample, int start, int end) = problem.Spans.Of(item);
        Row factor = problem.Factor(sample);
        for (int token = start; token < end; token++)
        {
            Row kept = stream.At(sample, token), mixed = problem.Mixed.At(sample, token), target = output.At(sample, token);
            for (int channel = 0; channel < problem.Channels; channel += T.Count)
            {
                int left = problem.Channels - channel;
                target.Store<T, V>(T.MultiplyAdd(factor.Load<T, V>(channel, left), mixed.Load<T, V>(channel, left), kept.Load<T, V>(channel, left)), channel, left);
            }
        }
    }

    internal override void Backward(GatedResidualProblem problem, Rows outputGradient, Rows mixedGradient, Rows sums) =>
        Workers.Run(problem.Spans.Items, (item, _) => Backward(problem, outputGradient, mixedGradient, sums, item));

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Backward(in GatedResidualProblem problem, in Rows outputGradient, in Rows mixedGradient, in Rows sums, int item)
    {
        (int sample, int start, int end) = problem.Spans.Of(item);
        Row factor = problem.Factor(sample), sum = sums.At(sample, start / TokenSpans.Longest);
        for (int channel = 0; channel < problem.Channels; channel += T.Count) sum.Store<T, V>(T.Create(0), channel, problem.Channels - channel);
        for (int token = start; token < end; token++)
        {
            Row incoming = outputGradient.At(sample, token), mixed = problem.Mixed.At(sample, token), target = mixedGradient.At(sample, token);
            for (int channel = 0; channel < problem.Channels; channel += T.Count)
            {
                int left = problem.Channels - channel;
                V gradient = incoming.Load<T, V>(channel, left);
                target.Store<T, V>(T.Multiply(gradient, factor.Load<T, V>(channel, left)), channel, left);
                sum.Store<T, V>(T.MultiplyAdd(gradient, mixed.Load<T, V>(channel, left), sum.Load<T, V>(channel, left)), channel, left);
            }
        }
    }
}
