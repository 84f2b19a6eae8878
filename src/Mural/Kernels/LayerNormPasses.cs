using System.Runtime.CompilerServices;

namespace Mural.Kernels;

/// <summary>The loop of layer norm.</summary>
internal abstract class LayerNormPasses : IVectorized<LayerNormPasses>
{
    public static LayerNormPasses Over<T, V>() where T : ILanes<V> where V : unmanaged => new LayerNormPasses<T, V>();

    /// <param name="problem">Inputs.</param>
    /// <param name="output">Is written. Shape: `[B, N, C]`.</param>
    internal abstract void Forward(LayerNormProblem problem, Rows output);
}

/// <summary>The loop at one vector width. A row is read three times, the last two from the first-level cache.</summary>
internal sealed class LayerNormPasses<T, V> : LayerNormPasses
    where T : ILanes<V>
    where V : unmanaged
{
    internal override void Forward(LayerNormProblem problem, Rows output) => Workers.Run(problem.Spans.Items, (item, _) => Forward(problem, output, item));

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Forward(in LayerNormProblem problem, in Rows output, int item)
    {
        (int sample, int start, int end) = problem.Spans.Of(item);
        Row weight = problem.Weight, bias = problem.Bias;
        int channels = problem.Channels;
        for (int token = start; token < end; token++)
        {
            Row x = problem.X.At(sample, token), target = output.At(sample, token);
            float mean = Mean(x, channels);
            (float sum, float squares) = Distances(x, channels, mean);
            // The rounded mean is off by the mean of the distances from it, which the variance and the result are then corrected by.
            double offset = (double)sum / channels, inverse = 1 / Math.Sqrt((double)squares / channels - offset * offset + problem.Epsilon);
            V center = T.Create(mean), scale = T.Create((float)inverse), shift = T.Create((float)(-offset * inverse));
            for (int channel = 0; channel < channels; channel += T.Count)
            {
                int left = channels - channel;
                V normalised = T.MultiplyAdd(T.Subtract(x.Load<T, V>(channel, left), center), scale, shift);
                target.Store<T, V>(T.MultiplyAdd(normalised, weight.Load<T, V>(channel, left), bias.Load<T, V>(channel, left)), channel, left);
            }
        }
    }

    // Lanes beyond the channels are zero and so add nothing.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Mean(Row x, int channels)
    {
        V sum = T.Create(0);
        for (int channel = 0; channel < channels; channel += T.Count) sum = T.Add(sum, x.Load<T, V>(channel, channels - channel));
        return LaneMath.Sum<T, V>(sum) / channels;
    }

    // Sums of the distances from a number and of their squares. Lanes beyond the channels would count: the rest is summed one by one.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (float Sum, float Squares) Distances(Row x, int channels, float from)
    {
        V center = T.Create(from), sum = T.Create(0), squares = T.Create(0);
        int channel = 0;
        for (; channel + T.Count <= channels; channel += T.Count)
        {
            V distance = T.Subtract(x.Load<T, V>(channel, T.Count), center);
            sum = T.Add(sum, distance);
            squares = T.MultiplyAdd(distance, distance, squares);
        }
        float restSum = 0, restSquares = 0;
        for (; channel < channels; channel++)
        {
            float distance = x.Load<LanesScalar, float>(channel, 1) - from;
            restSum += distance;
            restSquares += distance * distance;
        }
        return (LaneMath.Sum<T, V>(sum) + restSum, LaneMath.Sum<T, V>(squares) + restSquares);
    }
}
