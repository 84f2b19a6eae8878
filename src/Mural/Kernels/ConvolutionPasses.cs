using System.Runtime.CompilerServices;
using static TorchSharp.torch;

namespace Mural.Kernels;

/// <summary>The loops of the causal convolution, forward and backward.</summary>
internal abstract unsafe class ConvolutionPasses : IVectorized<ConvolutionPasses>
{
    public static ConvolutionPasses Over<T, V>() where T : ILanes<V> where V : unmanaged => new ConvolutionPasses<T, V>();

    /// <param name="problem">Inputs.</param>
    /// <param name="output">In scan order. Shape: `[B, L, E]`.</param>
    internal abstract void Forward(ConvolutionProblem problem, Rows output);

    /// <param name="problem">Inputs.</param>
    /// <param name="outputGradient">In scan order. Shape: `[B, L, E]`.</param>
    /// <param name="xGradient">Is written, in storage order. Shape: `[B, L, E]`.</param>
    /// <param name="parameterSums">Each span's part of the gradients of taps and bias is written. Shape: `[spans, K + 1, E]`.</param>
    internal abstract void Backward(ConvolutionProblem problem, Rows outputGradient, Rows xGradient, float* parameterSums);
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
                int tap = problem.Window(sample, token, window), channel = first;
                Row target = output.At(sample, token);
                for (; channel <= last - T.Count; channel += T.Count)
                    target.Store<T, V>(SiluActivation.Apply<T, V>(Sum(problem, window, tap, channel, T.Count)), channel, T.Count);
                if (channel < last) target.Store<T, V>(SiluActivation.Apply<T, V>(Sum(problem, window, tap, channel, last - channel)), channel, last - channel);
            }
        }
    }

    /// <summary>A token before its activation.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static V Sum(in ConvolutionProblem problem, Row* window, int firstTap, int channel, int left)
    {
        V sum = problem.Bias.Load<T, V>(channel, left);
        for (int tap = firstTap; tap < problem.Taps; tap++)
            sum = T.MultiplyAdd(window[tap].Load<T, V>(channel, left), problem.Weights(tap).Load<T, V>(channel, left), sum);
        return sum;
    }

    internal override void Backward(ConvolutionProblem problem, Rows outputGradient, Rows xGradient, float* parameterSums)
    {
        int ring = problem.Taps * BlockChannels;
        using Tensor scratch = empty((long)Workers.Count * ring, ScalarType.Float32);
        float* memory = TensorData.Floats(scratch);
        Workers.Run(problem.Spans.Items, (item, worker) => Backward(problem, outputGradient, xGradient, parameterSums, memory + (long)worker * ring, item));
    }

    // An input's gradient needs those before the activation of its own token and of the next K - 1: the ring holds that many. At the end of a span they belong
    // to the next one, which computes them again and alone adds them to its sums.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Backward(in ConvolutionProblem problem, in Rows outputGradient, in Rows xGradient, float* parameterSums, float* ring, int item)
    {
        (int sample, int start, int end) = problem.Spans.Of(item);
        int taps = problem.Taps;
        float* sums = parameterSums + (long)item * (taps + 1) * problem.Channels;
        new Span<float>(sums, checked((taps + 1) * problem.Channels)).Clear();
        Row* window = stackalloc Row[ConvolutionProblem.MostTaps];
        for (int first = 0; first < problem.Channels; first += BlockChannels)
        {
            int last = Math.Min(first + BlockChannels, problem.Channels);
            for (int token = start; token < end + taps - 1; token++)
            {
                float* slot = ring + token % taps * BlockChannels;
                if (token < problem.Length)
                {
                    int tap = problem.Window(sample, token, window);
                    Differentiate(problem, window, tap, outputGradient.At(sample, token), slot, first, last);
                    if (token < end) AddToSums(problem, window, tap, slot, first, last, sums);
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
    private static void Differentiate(in ConvolutionProblem problem, Row* window, int firstTap, Row outputGradient, float* slot, int first, int last)
    {
        int channel = first;
        for (; channel <= last - T.Count; channel += T.Count) One(problem, channel, T.Count);
        if (channel < last) One(problem, channel, last - channel);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        void One(in ConvolutionProblem problem, int channel, int left)
        {
            V slope = SiluActivation.Derivative<T, V>(Sum(problem, window, firstTap, channel, left));
            T.Store(T.Multiply(outputGradient.Load<T, V>(channel, left), slope), slot + channel - first);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void AddToSums(in ConvolutionProblem problem, Row* window, int firstTap, float* slot, int first, int last, float* sums)
    {
        for (int tap = firstTap; tap <= problem.Taps; tap++)
        {
            Row sum = Row.Of(sums + (long)tap * problem.Channels);
            int channel = first;
            for (; channel <= last - T.Count; channel += T.Count) One(problem, channel, T.Count);
            if (channel < last) One(problem, channel, last - channel);

            [MethodImpl(MethodImplOptions.AggressiveInlining)]
            void One(in ConvolutionProblem problem, int channel, int left)
            {
                V gradient = T.Load(slot + channel - first), before = sum.Load<T, V>(channel, left);
                V after = tap == problem.Taps ? T.Add(gradient, before) : T.MultiplyAdd(gradient, window[tap].Load<T, V>(channel, left), before);
                sum.Store<T, V>(after, channel, left);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void StoreGradient(in ConvolutionProblem problem, float* ring, int input, int first, int last, Row target)
    {
        int taps = problem.Taps, channel = first;
        float** slots = stackalloc float*[ConvolutionProblem.MostTaps];
        for (int tap = 0; tap < taps; tap++) slots[tap] = ring + (input + taps - 1 - tap) % taps * BlockChannels - first;
        for (; channel <= last - T.Count; channel += T.Count) One(problem, channel, T.Count);
        if (channel < last) One(problem, channel, last - channel);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        void One(in ConvolutionProblem problem, int channel, int left)
        {
            V sum = T.Create(0);
            for (int tap = 0; tap < taps; tap++) sum = T.MultiplyAdd(problem.Weights(tap).Load<T, V>(channel, left), T.Load(slots[tap] + channel), sum);
            target.Store<T, V>(sum, channel, left);
        }
    }
}
