using System.Runtime.CompilerServices;
using static TorchSharp.torch;

namespace Mural.Kernels;

/// <summary>The loops of the backward scan (spec dim.md 2.2).</summary>
internal abstract unsafe class SelectiveScanBackward : IVectorized<SelectiveScanBackward>
{
    public static SelectiveScanBackward Over<T, V>() where T : ILanes<V> where V : unmanaged => new SelectiveScanBackward<T, V>();

    /// <param name="problem">Inputs.</param>
    /// <param name="gradients">Receives the gradients.</param>
    /// <param name="segments">The division of the tokens.</param>
    /// <param name="kept">The states before the segments, of <see cref="SelectiveScanForward"/> with the same vectors; null where there is but one segment.</param>
    internal abstract void Run(ScanProblem problem, ScanGradients gradients, ScanSegments segments, float* kept);
}

/// <summary>
/// The loops at one vector width, segment by segment from the last to the first. From the state that the forward pass kept before a segment, a first walk leaves
/// that at the borders of its chunks, then each chunk, from the last to the first, is computed once more and walked from its end. A worker takes a fixed group of channel blocks of
/// one sample, so that sums over channels have one order whatever the number of threads.
/// </summary>
internal sealed unsafe class SelectiveScanBackward<T, V> : SelectiveScanBackward
    where T : ILanes<V>
    where V : unmanaged
{
    private const int Ahead = 8;
    private const float Ln2 = 0.693147181f;

    internal override void Run(ScanProblem problem, ScanGradients gradients, ScanSegments segments, float* kept)
    {
        var layout = new ScanBackwardBuffers.Layout(problem, segments, T.Count);
        using Tensor scratch = empty(Workers.Count * layout.Size, ScalarType.Float32);
        float* memory = TensorData.Floats(scratch);
        int groups = gradients.Groups;
        Workers.Run(problem.Batch * groups, (item, worker) =>
            Group(problem, gradients, segments, kept, item / groups, item % groups, new ScanBackwardBuffers(memory + worker * layout.Size, layout)));
    }

    private static void Group(in ScanProblem problem, ScanGradients gradients, in ScanSegments segments, float* kept, int batch, int group, in ScanBackwardBuffers buffers)
    {
        long vectors = (long)problem.States * problem.PaddedLength, place = ((long)group * problem.Batch + batch) * vectors;
        new Span<float>(gradients.B + place, checked((int)vectors)).Clear();
        new Span<float>(gradients.C + place, checked((int)vectors)).Clear();
        int last = Math.Min(problem.Blocks, (group + 1) * gradients.BlocksPerGroup);
        for (int block = group * gradients.BlocksPerGroup; block < last; block++)
        {
            var span = new ScanBlock(problem, block, batch, T.Count);
            problem.LoadParameters(block, T.Count, buffers.Rates, buffers.Skip, buffers.Bias);
            int parameters = span.Vectors * problem.PaddedStates * T.Count;
            for (int i = 0; i < parameters; i++)
            {
                buffers.Rates[i] *= LaneMath.Log2E;
                buffers.Carry[i] = buffers.GradRates[i] = 0;
            }
            new Span<float>(buffers.GradSkip, ScanProblem.BlockChannels).Clear();
            new Span<float>(buffers.GradBias, ScanProblem.BlockChannels).Clear();

            var border = new Span<float>(buffers.Borders, parameters);
            for (int segment = segments.Count - 1; segment >= 0; segment--)
            {
                if (segment == 0) border.Clear();
                else new Span<float>(kept + segments.At(problem, batch, block, segment), parameters).CopyTo(border);
                int first = segment * segments.ChunksPerSegment, chunks = Math.Min(segments.ChunksPerSegment, segments.Chunks - first);
                for (int index = 0; index < chunks - 1; index++) Borders(problem, span, index, (first + index) * segments.Chunk, buffers);
                for (int index = chunks - 1; index >= 0; index--)
                {
                    int start = (first + index) * segments.Chunk, tokens = Math.Min(segments.Chunk, problem.Length - start);
                    Load(problem, gradients, span, start, tokens, buffers);
                    Walk(problem, span, index, start, tokens, buffers, gradients.B + place, gradients.C + place);
                    Finish(problem, gradients, span, start, tokens, buffers);
                }
            }
            gradients.StoreParameters(problem, span, T.Count, buffers);
        }
    }

    // The state at the end of a chunk is the next chunk's border.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Borders(in ScanProblem problem, in ScanBlock span, int index, int start, in ScanBackwardBuffers buffers)
    {
        int padded = problem.PaddedStates, tokens = buffers.Chunk;
        ScanSteps<T, V>.LoadVectors(problem.B, span.Batch, start, tokens, problem.States, padded, buffers.B);
        for (int t = 0; t < tokens; t++)
        {
            int ahead = Math.Min(start + t + Ahead, problem.Length - 1);
            problem.U.At(span.Batch, ahead).Prefetch(span.First, span.Channels);
            problem.Delta.At(span.Batch, ahead).Prefetch(span.First, span.Channels);
            Row u = problem.U.At(span.Batch, start + t), delta = problem.Delta.At(span.Batch, start + t);
            for (int vector = 0; vector < span.Vectors; vector++)
            {
                int local = vector * T.Count, at = (vector * tokens + t) * T.Count;
                T.Store(u.Load<T, V>(span.First + local, span.Channels - local), buffers.U + at);
                V raw = T.Add(delta.Load<T, V>(span.First + local, span.Channels - local), T.Load(buffers.Bias + local));
                T.Store(LaneMath.Softplus<T, V>(raw), buffers.Delta + at);
            }
        }

        float* border = buffers.Borders + (long)index * ScanProblem.BlockChannels * padded;
        float* next = border + ScanProblem.BlockChannels * padded;
        new Span<float>(border, span.Vectors * padded * T.Count).CopyTo(new Span<float>(next, span.Vectors * padded * T.Count));
        for (int vector = 0; vector < span.Vectors; vector++)
        {
            int plane = vector * tokens * T.Count;
            for (int state = 0; state < padded; state += ScanProblem.StateGroup)
            {
                int at = (vector * padded + state) * T.Count;
                ScanSteps<T, V>.AdvanceState(tokens, buffers.Delta + plane, buffers.U + plane, buffers.B + state, padded, buffers.Rates + at, next + at);
            }
        }
    }

    // Everything that is per channel, before the states: δ and its slope, u, the gate, gradient of y, and y’s part from D.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Load(in ScanProblem problem, ScanGradients gradients, in ScanBlock span, int start, int tokens, in ScanBackwardBuffers buffers)
    {
        ScanSteps<T, V>.LoadVectors(problem.B, span.Batch, start, tokens, problem.States, problem.PaddedStates, buffers.B);
        ScanSteps<T, V>.LoadVectors(problem.C, span.Batch, start, tokens, problem.States, problem.PaddedStates, buffers.C);
        V zero = T.Create(0);
        for (int t = 0; t < tokens; t++)
        {
            int ahead = Math.Min(start + t + Ahead, problem.Length - 1), aheadRow = problem.RowOf(ahead), row = problem.RowOf(start + t);
            problem.U.At(span.Batch, ahead).Prefetch(span.First, span.Channels);
            problem.Delta.At(span.Batch, ahead).Prefetch(span.First, span.Channels);
            gradients.Output.At(span.Batch, aheadRow).Prefetch(span.First, span.Channels);
            if (problem.Gated) problem.Z.At(span.Batch, aheadRow).Prefetch(span.First, span.Channels);

            Row u = problem.U.At(span.Batch, start + t), delta = problem.Delta.At(span.Batch, start + t);
            Row output = gradients.Output.At(span.Batch, row), gate = problem.Gated ? problem.Z.At(span.Batch, row) : default;
            for (int vector = 0; vector < span.Vectors; vector++)
            {
                int local = vector * T.Count, at = buffers.At(vector, t, T.Count), channel = span.First + local, left = span.Channels - local;
                V value = u.Load<T, V>(channel, left), grad = output.Load<T, V>(channel, left);
                if (problem.Gated)
                {
                    V z = gate.Load<T, V>(channel, left), open = LaneMath.Sigmoid<T, V>(z);
                    grad = T.Multiply(grad, T.Multiply(z, open));
                    T.Store(open, buffers.Open + at);
                }
                V raw = T.Add(delta.Load<T, V>(channel, left), T.Load(buffers.Bias + local));
                T.Store(LaneMath.Softplus<T, V>(raw, out V slope), buffers.Delta + at);
                T.Store(slope, buffers.Slope + at);
                T.Store(value, buffers.U + at);
                T.Store(grad, buffers.GradY + at);
                T.Store(T.Multiply(value, T.Load(buffers.Skip + local)), buffers.Y + at);
                T.Store(zero, buffers.InputSum + at);
                T.Store(zero, buffers.RateSum + at);
            }
        }
    }

    private static void Walk(in ScanProblem problem, in ScanBlock span, int index, int start, int tokens, in ScanBackwardBuffers buffers, float* gradB, float* gradC)
    {
        int padded = problem.PaddedStates, row = problem.PaddedLength;
        long vectorStride = (long)padded * T.Count;
        float* border = buffers.Borders + (long)index * ScanProblem.BlockChannels * padded;
        for (int vector = 0; vector < span.Vectors; vector += ScanBackwardBuffers.Together)
        {
            int plane = buffers.At(vector, 0, T.Count);
            for (int state = 0; state < problem.States; state++)
            {
                int at = (vector * padded + state) * T.Count;
                for (int i = 0; i < ScanBackwardBuffers.Together; i++) T.Store(T.Load(border + at + i * vectorStride), buffers.States + i * T.Count);
                ScanReverse<T, V>.Recompute(
                    tokens, buffers.Delta + plane, buffers.U + plane, buffers.Y + plane, buffers.B + state, buffers.C + state, padded,
                    buffers.Rates + at, vectorStride, buffers.Decays, buffers.States);
                ScanReverse<T, V>.Reverse(
                    tokens, buffers.Delta + plane, buffers.U + plane, buffers.GradY + plane, buffers.InputSum + plane, buffers.RateSum + plane,
                    buffers.B + state, buffers.C + state, padded, buffers.LanesB, buffers.LanesC,
                    buffers.Rates + at, buffers.Decays, buffers.States, buffers.Carry + at, buffers.GradRates + at, vectorStride);
                ScanReverse<T, V>.AddLanes(tokens, buffers.LanesB, gradB + (long)state * row + start);
                ScanReverse<T, V>.AddLanes(tokens, buffers.LanesC, gradC + (long)state * row + start);
            }
        }
    }

    // From the sums over states to the gradients of u, delta and z, and the chunk's part of those of D and delta's bias.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Finish(in ScanProblem problem, ScanGradients gradients, in ScanBlock span, int start, int tokens, in ScanBackwardBuffers buffers)
    {
        V one = T.Create(1), ln2 = T.Create(Ln2);
        // From the end, like the chunks: the order of the sums over tokens is then the same whatever the chunks' length.
        for (int t = tokens - 1; t >= 0; t--)
        {
            int row = problem.RowOf(start + t), ahead = Math.Max(start + t - Ahead, 0);
            gradients.U.At(span.Batch, ahead).Prefetch(span.First, span.Channels);
            gradients.Delta.At(span.Batch, ahead).Prefetch(span.First, span.Channels);
            if (problem.Gated) gradients.Z.At(span.Batch, problem.RowOf(ahead)).Prefetch(span.First, span.Channels);
            Row gradU = gradients.U.At(span.Batch, start + t), gradDelta = gradients.Delta.At(span.Batch, start + t);
            Row output = default, gate = default, gradZ = default;
            if (problem.Gated)
            {
                output = gradients.Output.At(span.Batch, row);
                gate = problem.Z.At(span.Batch, row);
                gradZ = gradients.Z.At(span.Batch, row);
            }
            for (int vector = 0; vector < span.Vectors; vector++)
            {
                int local = vector * T.Count, at = buffers.At(vector, t, T.Count), channel = span.First + local, left = span.Channels - local;
                V grad = T.Load(buffers.GradY + at), inputs = T.Load(buffers.InputSum + at), u = T.Load(buffers.U + at);
                gradU.Store<T, V>(T.MultiplyAdd(T.Load(buffers.Delta + at), inputs, T.Multiply(grad, T.Load(buffers.Skip + local))), channel, left);
                T.Store(T.MultiplyAdd(grad, u, T.Load(buffers.GradSkip + local)), buffers.GradSkip + local);

                V gradStep = T.MultiplyAdd(u, inputs, T.Multiply(ln2, T.Load(buffers.RateSum + at)));
                gradStep = T.Multiply(gradStep, T.Load(buffers.Slope + at));
                gradDelta.Store<T, V>(gradStep, channel, left);
                T.Store(T.Add(gradStep, T.Load(buffers.GradBias + local)), buffers.GradBias + local);

                if (!problem.Gated) continue;
                V z = gate.Load<T, V>(channel, left), open = T.Load(buffers.Open + at);
                V slope = T.Multiply(open, T.MultiplyAdd(z, T.Subtract(one, open), one));
                gradZ.Store<T, V>(T.Multiply(T.Multiply(output.Load<T, V>(channel, left), T.Load(buffers.Y + at)), slope), channel, left);
            }
        }
    }
}
