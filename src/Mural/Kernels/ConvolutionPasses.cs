using System.Runtime.CompilerServices;
using static TorchSharp.torch;

namespace Mural.Kernels;

/// <summary>The loops of the causal convolution, forward and backward.</summary>
internal abstract class ConvolutionPasses
{
    /// <param name="problem">Inputs.</param>
    /// <param name="output">In scan order. Shape: `[B, L, E]`.</param>
    internal abstract void Forward(ConvolutionProblem problem, Rows output);

    /// <param name="problem">Inputs.</param>
    /// <param name="outputGradient">In scan order. Shape: `[B, L, E]`.</param>
    /// <param name="xGradient">Is written, in storage order. Shape: `[B, L, E]`.</param>
    /// <param name="parameterSums">Each span's part of the gradients of taps and bias is written. float32. Shape: `[spans, K + 1, E]`.</param>
    internal abstract void Backward(ConvolutionProblem problem, Rows outputGradient, Rows xGradient, Rows parameterSums);
}

/// <summary>
/// The loops at one vector width. A worker takes a span of tokens, and of it a block of channels at a time, whose weights and last rows stay in the first-level
/// cache while rows are read in the order of the scan.
/// </summary>
internal sealed unsafe class ConvolutionPasses<T, V> : ConvolutionPasses
    where T : ILanes<V>
    where V : unmanaged
{
    private const int BlockChannels = 512;

    internal override void Forward(ConvolutionProblem problem, Rows output) => Workers.Run(problem.Spans.Items, (item, _) => Forward(problem, output, item));

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Forward(in ConvolutionProblem problem, in Rows output, int item)
    {
        (int sample, int start, int end) = problem.Spans.Of(item);
        Row* window = stackalloc Row[ConvolutionProblem.MostTaps];
        for (int first = 0; first < problem.Channels; first += BlockChannels)
        {
            int last = Math.Min(first + BlockChannels, problem.Channels);
            for (int token = start; token < end; token++)
            {
                int tap = problem.Window(sample, token, window);
                Row target = output.At(sample, token);
                for (int channel = first; channel < last; channel += T.Count)
                    target.Store<T, V>(SiluActivation.Apply<T, V>(Sum(problem, window, tap, channel)), channel, problem.Channels - channel);
            }
        }
    }

    /// <summary>A token before its activation.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static V Sum(in ConvolutionProblem problem, Row* window, int firstTap, int channel)
    {
        int left = problem.Channels - channel;
        V sum = problem.Bias.Load<T, V>(channel, left);
        for (int tap = firstTap; tap < problem.Taps; tap++)
            sum = T.MultiplyAdd(window[tap].Load<T, V>(channel, left), problem.Weights(tap).Load<T, V>(channel, left), sum);
        return sum;
    }

    internal override void Backward(ConvolutionProblem problem, Rows outputGradient, Rows xGradient, Rows parameterSums)
    {
        int ring = problem.Taps * BlockChannels;
        using Tensor scratch = empty((long)Workers.Count * ring, ScalarType.Float32);
        float* memory = TensorData.Floats(scratch);
        Workers.Run(problem.Spans.Items, (item, worker) => Backward(problem, outputGradient, xGradient, parameterSums, memory + (long)worker * ring, item));
    }

    // An input's gradient needs those before the activation of its own token and of the next K - 1: the ring holds that many. At the end of a span they belong
    // to the next one, which computes them again and alone adds them to its sums.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Backward(in ConvolutionProblem problem, in Rows outputGradient, in Rows xGradient, in Rows parameterSums, float* ring, int item)
    {
        (int sample, int start, int end) = problem.Spans.Of(item);
        int taps = problem.Taps;
        Row* window = stackalloc Row[ConvolutionProblem.MostTaps];
        for (int first = 0; first < problem.Channels; first += BlockChannels)
        {
            int last = Math.Min(first + BlockChannels, problem.Channels);
            for (int row = 0; row <= taps; row++)
                for (int channel = first; channel < last; channel += T.Count)
                    parameterSums.At(item, row).Store<T, V>(T.Create(0), channel, problem.Channels - channel);
            for (int token = start; token < end + taps - 1; token++)
            {
                float* slot = ring + token % taps * BlockChannels;
                if (token < problem.Length)
                {
                    int tap = problem.Window(sample, token, window);
                    Row gradient = outputGradient.At(sample, token);
                    for (int channel = first; channel < last; channel += T.Count)
                        T.Store(T.Multiply(gradient.Load<T, V>(channel, problem.Channels - channel), SiluActivation.Derivative<T, V>(Sum(problem, window, tap, channel))), slot + channel - first);
                    if (token < end) AddToSums(problem, window, tap, slot, first, last, parameterSums, item);
                }
                else
                {
                    new Span<float>(slot, BlockChannels).Clear();
                }
                int input = token - taps + 1;
                if (input >= start) StoreGradient(problem, ring, input, first, last, xGradient.At(sample, problem.RowOf(input)));
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void AddToSums(in ConvolutionProblem problem, Row* window, int firstTap, float* slot, int first, int last, in Rows sums, int item)
    {
        Row biasSum = sums.At(item, problem.Taps);
        for (int channel = first; channel < last; channel += T.Count)
        {
            int left = problem.Channels - channel;
            V gradient = T.Load(slot + channel - first);
            biasSum.Store<T, V>(T.Add(gradient, biasSum.Load<T, V>(channel, left)), channel, left);
            for (int tap = firstTap; tap < problem.Taps; tap++)
            {
                Row sum = sums.At(item, tap);
                sum.Store<T, V>(T.MultiplyAdd(gradient, window[tap].Load<T, V>(channel, left), sum.Load<T, V>(channel, left)), channel, left);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void StoreGradient(in ConvolutionProblem problem, float* ring, int input, int first, int last, Row target)
    {
        int taps = problem.Taps;
        float** slots = stackalloc float*[ConvolutionProblem.MostTaps];
        for (int tap = 0; tap < taps; tap++) slots[tap] = ring + (input + taps - 1 - tap) % taps * BlockChannels;
        for (int channel = first; channel < last; channel += T.Count)
        {
            int left = problem.Channels - channel;
            V sum = T.Create(0);
            for (int tap = 0; tap < taps; tap++)
                sum = T.MultiplyAdd(problem.Weights(tap).Load<T, V>(channel, left), T.Load(slots[tap] + channel - first), sum);
            target.Store<T, V>(sum, channel, left);
        }
    }
}
