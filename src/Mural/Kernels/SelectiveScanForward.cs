using System.Runtime.CompilerServices;
using static TorchSharp.torch;

namespace Mural.Kernels;

/// <summary>The loops of the forward scan.</summary>
internal abstract unsafe class SelectiveScanForward : IVectorized<SelectiveScanForward>
{
    public static SelectiveScanForward Over<T, V>() where T : ILanes<V> where V : unmanaged => new SelectiveScanForward<T, V>();

    /// <param name="problem">Inputs.</param>
    /// <param name="output">In storage order. Shape: `[B, L, E]`.</param>
    /// <param name="lastState">Contiguous float32, or null. Shape: `[B, E, N]`.</param>
    /// <param name="segments">The division of the tokens whose states are kept.</param>
    /// <param name="kept">Receives the states before the segments, for <see cref="SelectiveScanBackward"/> with the same vectors; null for none.</param>
    internal abstract void Run(ScanProblem problem, Rows output, float* lastState, ScanSegments segments, float* kept);
}

/// <summary>
/// The loops at one vector width. A worker takes a block of channels of one sample and walks it in chunks of tokens: first everything that is per channel (softplus, D·u),
/// then four states at a time with the state in registers, then gate and output. Only buffers of one chunk exist.
/// </summary>
internal sealed unsafe class SelectiveScanForward<T, V> : SelectiveScanForward
    where T : ILanes<V>
    where V : unmanaged
{
    private const int Chunk = 64, Ahead = 8;

    internal override void Run(ScanProblem problem, Rows output, float* lastState, ScanSegments segments, float* kept)
    {
        int padded = problem.PaddedStates;
        int perWorker = Buffers.Size(padded);
        using Tensor scratch = empty((long)Workers.Count * perWorker, ScalarType.Float32);
        float* memory = TensorData.Floats(scratch);
        int blocks = problem.Blocks;
        Workers.Run(problem.Batch * blocks, (item, worker) =>
            Block(problem, output, lastState, segments, kept, item / blocks, item % blocks, new Buffers(memory + (long)worker * perWorker, padded)));
    }

    private readonly struct Buffers(float* memory, int padded)
    {
        private const int Plane = Chunk * ScanProblem.BlockChannels;

        internal readonly float* Delta = memory, U = memory + Plane, Y = memory + 2 * Plane;
        internal readonly float* B = memory + 3 * Plane, C = memory + 3 * Plane + Chunk * padded;
        internal readonly float* Rates = memory + 3 * Plane + 2 * Chunk * padded, State = memory + 3 * Plane + (2 * Chunk + ScanProblem.BlockChannels) * padded;
        internal readonly float* Skip = memory + 3 * Plane + 2 * (Chunk + ScanProblem.BlockChannels) * padded;
        internal readonly float* Bias = memory + 3 * Plane + 2 * (Chunk + ScanProblem.BlockChannels) * padded + ScanProblem.BlockChannels;

        internal static int Size(int padded) => 3 * Plane + 2 * (Chunk + ScanProblem.BlockChannels) * padded + 2 * ScanProblem.BlockChannels;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Block(in ScanProblem problem, in Rows output, float* lastState, in ScanSegments segments, float* kept, int batch, int block, in Buffers buffers)
    {
        int padded = problem.PaddedStates, first = block * ScanProblem.BlockChannels;
        int channels = Math.Min(ScanProblem.BlockChannels, problem.Channels - first);
        int vectors = (channels + T.Count - 1) / T.Count;
        problem.LoadParameters(block, T.Count, buffers.Rates, buffers.Skip, buffers.Bias);
        for (int i = 0; i < vectors * padded * T.Count; i++) buffers.Rates[i] *= LaneMath.Log2E;
        // Whole, as it is kept: the backward scan takes more vectors at a time than the last block may have.
        var state = new Span<float>(buffers.State, ScanSegments.StatesOfBlock(problem));
        state.Clear();

        int border = kept is null ? problem.Length : segments.Tokens, tokens;
        for (int start = 0; start < problem.Length; start += tokens)
        {
            if (start == border)
            {
                state.CopyTo(new Span<float>(kept + segments.At(problem, batch, block, border / segments.Tokens), state.Length));
                border += segments.Tokens;
            }
            tokens = Math.Min(Chunk, Math.Min(border, problem.Length) - start);
            ScanSteps<T, V>.LoadVectors(problem.B, batch, start, tokens, problem.States, padded, buffers.B);
            ScanSteps<T, V>.LoadVectors(problem.C, batch, start, tokens, problem.States, padded, buffers.C);
            for (int t = 0; t < tokens; t++)
            {
                Row u = problem.U.At(batch, start + t), delta = problem.Delta.At(batch, start + t);
                int ahead = Math.Min(start + t + Ahead, problem.Length - 1);
                problem.U.At(batch, ahead).Prefetch(first, channels);
                problem.Delta.At(batch, ahead).Prefetch(first, channels);
                if (problem.Gated) problem.Z.At(batch, problem.RowOf(start + t)).Prefetch(first, channels);
                output.At(batch, problem.RowOf(start + t)).Prefetch(first, channels);
                for (int vector = 0; vector < vectors; vector++)
                {
                    int local = vector * T.Count, at = (vector * Chunk + t) * T.Count;
                    V value = u.Load<T, V>(first + local, channels - local);
                    V step = LaneMath.Softplus<T, V>(T.Add(delta.Load<T, V>(first + local, channels - local), T.Load(buffers.Bias + local)));
                    T.Store(step, buffers.Delta + at);
                    T.Store(value, buffers.U + at);
                    T.Store(T.Multiply(value, T.Load(buffers.Skip + local)), buffers.Y + at);
                }
            }

            for (int vector = 0; vector < vectors; vector++)
            {
                int plane = vector * Chunk * T.Count;
                for (int group = 0; group < padded; group += ScanProblem.StateGroup)
                {
                    int at = (vector * padded + group) * T.Count;
                    ScanSteps<T, V>.Advance(
                        tokens, buffers.Delta + plane, buffers.U + plane, buffers.Y + plane, buffers.B + group, buffers.C + group, padded,
                        buffers.Rates + at, buffers.State + at);
                }
            }

            for (int t = 0; t < tokens; t++)
            {
                int row = problem.RowOf(start + t);
                Row target = output.At(batch, row), gate = problem.Gated ? problem.Z.At(batch, row) : default;
                for (int vector = 0; vector < vectors; vector++)
                {
                    int local = vector * T.Count;
                    V y = T.Load(buffers.Y + (vector * Chunk + t) * T.Count);
                    if (problem.Gated)
                    {
                        V z = gate.Load<T, V>(first + local, channels - local);
                        y = T.Multiply(y, T.Multiply(z, LaneMath.Sigmoid<T, V>(z)));
                    }
                    target.Store<T, V>(y, first + local, channels - local);
                }
            }
        }

        if (lastState is not null) StoreState(problem, buffers.State, lastState, batch, first, channels);
    }

    private static void StoreState(in ScanProblem problem, float* state, float* lastState, int batch, int first, int channels)
    {
        for (int local = 0; local < channels; local++)
        {
            float* source = state + local / T.Count * problem.PaddedStates * T.Count + local % T.Count;
            float* target = lastState + ((long)batch * problem.Channels + first + local) * problem.States;
            for (int n = 0; n < problem.States; n++) target[n] = source[n * T.Count];
        }
    }
}
