using System.Runtime.CompilerServices;

namespace Mural.Kernels;

/// <summary>
/// The two inner loops of the backward scan: states of a chunk once more, this time kept, then the chunk from its end. Four states of one vector of channels;
/// per-token buffers are `[token][lane]`, kept states `[token][state][lane]`.
/// </summary>
internal static unsafe class ScanReverse<T, V>
    where T : ILanes<V>
    where V : unmanaged
{
    /// <summary>As <see cref="ScanSteps{T,V}.Advance"/>, keeping every decay and every state.</summary>
    /// <param name="tokens">Number of tokens.</param>
    /// <param name="delta">δ, after softplus.</param>
    /// <param name="u">u.</param>
    /// <param name="y">Is added to.</param>
    /// <param name="b">B of the first of the four states, `[token][state]`.</param>
    /// <param name="c">C, likewise.</param>
    /// <param name="vectorStride">States of a token in <paramref name="b"/> and <paramref name="c"/>.</param>
    /// <param name="rates">A·log2(e), `[state][lane]`.</param>
    /// <param name="decays">exp(δA) of every token.</param>
    /// <param name="states">Holds the state before the chunk; the state after each token follows.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Recompute(
        int tokens, float* delta, float* u, float* y, float* b, float* c, int vectorStride, float* rates, float* decays, float* states)
    {
        V c1 = T.Create(LaneMath.C1), c2 = T.Create(LaneMath.C2), c3 = T.Create(LaneMath.C3), c4 = T.Create(LaneMath.C4), c5 = T.Create(LaneMath.C5);
        V one = T.Create(1);
        V rate0 = T.Load(rates), rate1 = T.Load(rates + T.Count), rate2 = T.Load(rates + 2 * T.Count), rate3 = T.Load(rates + 3 * T.Count);
        V h0 = T.Load(states), h1 = T.Load(states + T.Count), h2 = T.Load(states + 2 * T.Count), h3 = T.Load(states + 3 * T.Count);
        for (int t = 0; t < tokens; t++)
        {
            states += 4 * T.Count;
            V step = T.Load(delta), value = T.Multiply(step, T.Load(u)), sum = T.Load(y);
            V decay0 = LaneMath.Exp2<T, V>(T.Multiply(step, rate0), c1, c2, c3, c4, c5, one);
            T.Store(decay0, decays);
            h0 = T.MultiplyAdd(decay0, h0, T.Multiply(value, T.Create(b[0])));
            T.Store(h0, states);
            sum = T.MultiplyAdd(h0, T.Create(c[0]), sum);
            V decay1 = LaneMath.Exp2<T, V>(T.Multiply(step, rate1), c1, c2, c3, c4, c5, one);
            T.Store(decay1, decays + T.Count);
            h1 = T.MultiplyAdd(decay1, h1, T.Multiply(value, T.Create(b[1])));
            T.Store(h1, states + T.Count);
            sum = T.MultiplyAdd(h1, T.Create(c[1]), sum);
            V decay2 = LaneMath.Exp2<T, V>(T.Multiply(step, rate2), c1, c2, c3, c4, c5, one);
            T.Store(decay2, decays + 2 * T.Count);
            h2 = T.MultiplyAdd(decay2, h2, T.Multiply(value, T.Create(b[2])));
            T.Store(h2, states + 2 * T.Count);
            sum = T.MultiplyAdd(h2, T.Create(c[2]), sum);
            V decay3 = LaneMath.Exp2<T, V>(T.Multiply(step, rate3), c1, c2, c3, c4, c5, one);
            T.Store(decay3, decays + 3 * T.Count);
            h3 = T.MultiplyAdd(decay3, h3, T.Multiply(value, T.Create(b[3])));
            T.Store(h3, states + 3 * T.Count);
            sum = T.MultiplyAdd(h3, T.Create(c[3]), sum);
            T.Store(sum, y);
            delta += T.Count;
            u += T.Count;
            y += T.Count;
            b += vectorStride;
            c += vectorStride;
            decays += 4 * T.Count;
        }
    }

    /// <summary>
    /// Walks a chunk from its end. With G = C·g_y + carry: g_C += Σ g_y·h and g_B += Σ G·δu over channels, inputSum += G·B, carry = decay·G,
    /// and with q = carry·h of the token before: rateSum += rate·q, g_A += δ·q.
    /// </summary>
    /// <param name="tokens">Number of tokens.</param>
    /// <param name="delta">δ, after softplus.</param>
    /// <param name="u">u.</param>
    /// <param name="gradY">Gradient of y.</param>
    /// <param name="inputSum">Σ G·B over states; is added to.</param>
    /// <param name="rateSum">Σ rate·q over states; is added to.</param>
    /// <param name="b">B of the first of the four states, `[token][state]`.</param>
    /// <param name="c">C, likewise.</param>
    /// <param name="gradB">Gradient of B, likewise; is added to.</param>
    /// <param name="gradC">Gradient of C, likewise; is added to.</param>
    /// <param name="vectorStride">States of a token in the four before.</param>
    /// <param name="rates">A·log2(e), `[state][lane]`.</param>
    /// <param name="decays">From <see cref="Recompute"/>.</param>
    /// <param name="states">From <see cref="Recompute"/>.</param>
    /// <param name="carry">decay·G of the token after the chunk, `[state][lane]`; of the chunk's first token afterwards.</param>
    /// <param name="gradRates">Gradient of A, `[state][lane]`; is added to.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Reverse(
        int tokens, float* delta, float* u, float* gradY, float* inputSum, float* rateSum, float* b, float* c, float* gradB, float* gradC, int vectorStride,
        float* rates, float* decays, float* states, float* carry, float* gradRates)
    {
        V rate0 = T.Load(rates), rate1 = T.Load(rates + T.Count), rate2 = T.Load(rates + 2 * T.Count), rate3 = T.Load(rates + 3 * T.Count);
        V carry0 = T.Load(carry), carry1 = T.Load(carry + T.Count), carry2 = T.Load(carry + 2 * T.Count), carry3 = T.Load(carry + 3 * T.Count);
        V sum0 = T.Load(gradRates), sum1 = T.Load(gradRates + T.Count), sum2 = T.Load(gradRates + 2 * T.Count), sum3 = T.Load(gradRates + 3 * T.Count);
        for (int t = tokens - 1; t >= 0; t--)
        {
            int at = t * T.Count, vector = t * vectorStride;
            float* decay = decays + 4 * at;
            float* before = states + 4 * at;
            float* after = before + 4 * T.Count;
            V step = T.Load(delta + at), grad = T.Load(gradY + at);
            LaneMath.AddSums<T, V>(
                T.Multiply(grad, T.Load(after)), T.Multiply(grad, T.Load(after + T.Count)),
                T.Multiply(grad, T.Load(after + 2 * T.Count)), T.Multiply(grad, T.Load(after + 3 * T.Count)), gradC + vector);

            V g0 = T.MultiplyAdd(grad, T.Create(c[vector]), carry0);
            V g1 = T.MultiplyAdd(grad, T.Create(c[vector + 1]), carry1);
            V g2 = T.MultiplyAdd(grad, T.Create(c[vector + 2]), carry2);
            V g3 = T.MultiplyAdd(grad, T.Create(c[vector + 3]), carry3);
            V value = T.Multiply(step, T.Load(u + at));
            LaneMath.AddSums<T, V>(T.Multiply(g0, value), T.Multiply(g1, value), T.Multiply(g2, value), T.Multiply(g3, value), gradB + vector);

            V inputs = T.MultiplyAdd(g0, T.Create(b[vector]), T.Load(inputSum + at));
            inputs = T.MultiplyAdd(g1, T.Create(b[vector + 1]), inputs);
            inputs = T.MultiplyAdd(g2, T.Create(b[vector + 2]), inputs);
            inputs = T.MultiplyAdd(g3, T.Create(b[vector + 3]), inputs);
            T.Store(inputs, inputSum + at);

            carry0 = T.Multiply(g0, T.Load(decay));
            carry1 = T.Multiply(g1, T.Load(decay + T.Count));
            carry2 = T.Multiply(g2, T.Load(decay + 2 * T.Count));
            carry3 = T.Multiply(g3, T.Load(decay + 3 * T.Count));
            V q0 = T.Multiply(carry0, T.Load(before)), q1 = T.Multiply(carry1, T.Load(before + T.Count));
            V q2 = T.Multiply(carry2, T.Load(before + 2 * T.Count)), q3 = T.Multiply(carry3, T.Load(before + 3 * T.Count));
            sum0 = T.MultiplyAdd(step, q0, sum0);
            sum1 = T.MultiplyAdd(step, q1, sum1);
            sum2 = T.MultiplyAdd(step, q2, sum2);
            sum3 = T.MultiplyAdd(step, q3, sum3);
            V weighted = T.MultiplyAdd(rate0, q0, T.Load(rateSum + at));
            weighted = T.MultiplyAdd(rate1, q1, weighted);
            weighted = T.MultiplyAdd(rate2, q2, weighted);
            weighted = T.MultiplyAdd(rate3, q3, weighted);
            T.Store(weighted, rateSum + at);
        }
        T.Store(carry0, carry);
        T.Store(carry1, carry + T.Count);
        T.Store(carry2, carry + 2 * T.Count);
        T.Store(carry3, carry + 3 * T.Count);
        T.Store(sum0, gradRates);
        T.Store(sum1, gradRates + T.Count);
        T.Store(sum2, gradRates + 2 * T.Count);
        T.Store(sum3, gradRates + 3 * T.Count);
    }
}
