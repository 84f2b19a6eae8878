using System.Runtime.CompilerServices;

namespace Mural.Kernels;

/// <summary>The parts that the forward and the backward scan share. Per-token buffers of one vector of channels are `[token][lane]`.</summary>
internal static unsafe class ScanSteps<T, V>
    where T : ILanes<V>
    where V : unmanaged
{
    /// <summary>Copies tokens of B or C as float32 `[token][state]`, with zeros for the states that only fill the last group.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void LoadVectors(in Rows source, int batch, int start, int tokens, int states, int paddedStates, float* target)
    {
        for (int t = 0; t < tokens; t++, target += paddedStates)
        {
            Row row = source.At(batch, start + t);
            int state = 0;
            for (; state + T.Count <= states; state += T.Count) T.Store(row.Load<T, V>(state, T.Count), target + state);
            for (; state < states; state++) target[state] = row.Load<LanesScalar, float>(state, 1);
            for (; state < paddedStates; state++) target[state] = 0;
        }
    }

    /// <summary>
    /// Steps four states of one vector of channels through the tokens of a chunk: h = 2^(δ·rate)·h + (δu)·B, y += C·h.
    /// </summary>
    /// <param name="tokens">Number of tokens.</param>
    /// <param name="delta">δ, after softplus.</param>
    /// <param name="u">u.</param>
    /// <param name="y">Is added to.</param>
    /// <param name="b">B of the first of the four states, `[token][state]`.</param>
    /// <param name="c">C, likewise.</param>
    /// <param name="vectorStride">States of a token in <paramref name="b"/> and <paramref name="c"/>.</param>
    /// <param name="rates">A·log2(e), `[state][lane]`.</param>
    /// <param name="state">h, `[state][lane]`; holds the last state afterwards.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Advance(
        int tokens, float* delta, float* u, float* y, float* b, float* c, int vectorStride, float* rates, float* state)
    {
        V c1 = T.Create(LaneMath.C1), c2 = T.Create(LaneMath.C2), c3 = T.Create(LaneMath.C3), c4 = T.Create(LaneMath.C4), c5 = T.Create(LaneMath.C5);
        V one = T.Create(1);
        V rate0 = T.Load(rates), rate1 = T.Load(rates + T.Count), rate2 = T.Load(rates + 2 * T.Count), rate3 = T.Load(rates + 3 * T.Count);
        V h0 = T.Load(state), h1 = T.Load(state + T.Count), h2 = T.Load(state + 2 * T.Count), h3 = T.Load(state + 3 * T.Count);
        for (int t = 0; t < tokens; t++)
        {
            V step = T.Load(delta), value = T.Multiply(step, T.Load(u)), sum = T.Load(y);
            V decay0 = LaneMath.Exp2<T, V>(T.Multiply(step, rate0), c1, c2, c3, c4, c5, one);
            h0 = T.MultiplyAdd(decay0, h0, T.Multiply(value, T.Create(b[0])));
            sum = T.MultiplyAdd(h0, T.Create(c[0]), sum);
            V decay1 = LaneMath.Exp2<T, V>(T.Multiply(step, rate1), c1, c2, c3, c4, c5, one);
            h1 = T.MultiplyAdd(decay1, h1, T.Multiply(value, T.Create(b[1])));
            sum = T.MultiplyAdd(h1, T.Create(c[1]), sum);
            V decay2 = LaneMath.Exp2<T, V>(T.Multiply(step, rate2), c1, c2, c3, c4, c5, one);
            h2 = T.MultiplyAdd(decay2, h2, T.Multiply(value, T.Create(b[2])));
            sum = T.MultiplyAdd(h2, T.Create(c[2]), sum);
            V decay3 = LaneMath.Exp2<T, V>(T.Multiply(step, rate3), c1, c2, c3, c4, c5, one);
            h3 = T.MultiplyAdd(decay3, h3, T.Multiply(value, T.Create(b[3])));
            sum = T.MultiplyAdd(h3, T.Create(c[3]), sum);
            T.Store(sum, y);
            delta += T.Count;
            u += T.Count;
            y += T.Count;
            b += vectorStride;
            c += vectorStride;
        }
        T.Store(h0, state);
        T.Store(h1, state + T.Count);
        T.Store(h2, state + 2 * T.Count);
        T.Store(h3, state + 3 * T.Count);
    }

    /// <summary>As <see cref="Advance"/>, for the state alone.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void AdvanceState(int tokens, float* delta, float* u, float* b, int vectorStride, float* rates, float* state)
    {
        V c1 = T.Create(LaneMath.C1), c2 = T.Create(LaneMath.C2), c3 = T.Create(LaneMath.C3), c4 = T.Create(LaneMath.C4), c5 = T.Create(LaneMath.C5);
        V one = T.Create(1);
        V rate0 = T.Load(rates), rate1 = T.Load(rates + T.Count), rate2 = T.Load(rates + 2 * T.Count), rate3 = T.Load(rates + 3 * T.Count);
        V h0 = T.Load(state), h1 = T.Load(state + T.Count), h2 = T.Load(state + 2 * T.Count), h3 = T.Load(state + 3 * T.Count);
        for (int t = 0; t < tokens; t++)
        {
            V step = T.Load(delta), value = T.Multiply(step, T.Load(u));
            h0 = T.MultiplyAdd(LaneMath.Exp2<T, V>(T.Multiply(step, rate0), c1, c2, c3, c4, c5, one), h0, T.Multiply(value, T.Create(b[0])));
            h1 = T.MultiplyAdd(LaneMath.Exp2<T, V>(T.Multiply(step, rate1), c1, c2, c3, c4, c5, one), h1, T.Multiply(value, T.Create(b[1])));
            h2 = T.MultiplyAdd(LaneMath.Exp2<T, V>(T.Multiply(step, rate2), c1, c2, c3, c4, c5, one), h2, T.Multiply(value, T.Create(b[2])));
            h3 = T.MultiplyAdd(LaneMath.Exp2<T, V>(T.Multiply(step, rate3), c1, c2, c3, c4, c5, one), h3, T.Multiply(value, T.Create(b[3])));
            delta += T.Count;
            u += T.Count;
            b += vectorStride;
        }
        T.Store(h0, state);
        T.Store(h1, state + T.Count);
        T.Store(h2, state + 2 * T.Count);
        T.Store(h3, state + 3 * T.Count);
    }
}
