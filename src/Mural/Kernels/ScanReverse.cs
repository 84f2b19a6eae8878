using System.Runtime.CompilerServices;

namespace Mural.Kernels;

/// <summary>
/// The two inner loops of the backward scan: states of a chunk once more, this time kept, then the chunk from its end. One state of four vectors of channels, so that
/// sums over channels are of one vector a token; per-token buffers are `[token][vector][lane]`.
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
    /// <param name="b">B of the state, one for each token.</param>
    /// <param name="c">C, likewise.</param>
    /// <param name="tokenStride">From one token to the next in <paramref name="b"/> and <paramref name="c"/>.</param>
    /// <param name="rates">A·log2(e) of the state.</param>
    /// <param name="vectorStride">From one vector of channels to the next in <paramref name="rates"/>.</param>
    /// <param name="decays">exp(δA) of every token.</param>
    /// <param name="states">Holds the state before the chunk; the state after each token follows.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Recompute(
        int tokens, float* delta, float* u, float* y, float* b, float* c, int tokenStride, float* rates, long vectorStride, float* decays, float* states)
    {
        V c1 = T.Create(LaneMath.C1), c2 = T.Create(LaneMath.C2), c3 = T.Create(LaneMath.C3), c4 = T.Create(LaneMath.C4), c5 = T.Create(LaneMath.C5);
        V one = T.Create(1);
        V rate0 = T.Load(rates), rate1 = T.Load(rates + vectorStride), rate2 = T.Load(rates + 2 * vectorStride), rate3 = T.Load(rates + 3 * vectorStride);
        V h0 = T.Load(states), h1 = T.Load(states + T.Count), h2 = T.Load(states + 2 * T.Count), h3 = T.Load(states + 3 * T.Count);
        for (int t = 0; t < tokens; t++)
        {
            states += 4 * T.Count;
            V entering = T.Create(*b), leaving = T.Create(*c);
            V step = T.Load(delta), decay = LaneMath.Exp2<T, V>(T.Multiply(step, rate0), c1, c2, c3, c4, c5, one);
            T.Store(decay, decays);
            h0 = T.MultiplyAdd(decay, h0, T.Multiply(T.Multiply(step, T.Load(u)), entering));
            T.Store(h0, states);
            T.Store(T.MultiplyAdd(h0, leaving, T.Load(y)), y);

            step = T.Load(delta + T.Count);
            decay = LaneMath.Exp2<T, V>(T.Multiply(step, rate1), c1, c2, c3, c4, c5, one);
            T.Store(decay, decays + T.Count);
            h1 = T.MultiplyAdd(decay, h1, T.Multiply(T.Multiply(step, T.Load(u + T.Count)), entering));
            T.Store(h1, states + T.Count);
            T.Store(T.MultiplyAdd(h1, leaving, T.Load(y + T.Count)), y + T.Count);

            step = T.Load(delta + 2 * T.Count);
            decay = LaneMath.Exp2<T, V>(T.Multiply(step, rate2), c1, c2, c3, c4, c5, one);
            T.Store(decay, decays + 2 * T.Count);
            h2 = T.MultiplyAdd(decay, h2, T.Multiply(T.Multiply(step, T.Load(u + 2 * T.Count)), entering));
            T.Store(h2, states + 2 * T.Count);
            T.Store(T.MultiplyAdd(h2, leaving, T.Load(y + 2 * T.Count)), y + 2 * T.Count);

            step = T.Load(delta + 3 * T.Count);
            decay = LaneMath.Exp2<T, V>(T.Multiply(step, rate3), c1, c2, c3, c4, c5, one);
            T.Store(decay, decays + 3 * T.Count);
            h3 = T.MultiplyAdd(decay, h3, T.Multiply(T.Multiply(step, T.Load(u + 3 * T.Count)), entering));
            T.Store(h3, states + 3 * T.Count);
            T.Store(T.MultiplyAdd(h3, leaving, T.Load(y + 3 * T.Count)), y + 3 * T.Count);

            delta += 4 * T.Count;
            u += 4 * T.Count;
            y += 4 * T.Count;
            b += tokenStride;
            c += tokenStride;
            decays += 4 * T.Count;
        }
    }

    /// <summary>
    /// Walks a chunk from its end. With G = C·g_y + carry: g_C = Σ g_y·h and g_B = Σ G·δu over channels, inputSum += G·B, carry = decay·G,
    /// and with q = carry·h of the token before: rateSum += rate·q, g_A += δ·q.
    /// </summary>
    /// <param name="tokens">Number of tokens.</param>
    /// <param name="delta">δ, after softplus.</param>
    /// <param name="u">u.</param>
    /// <param name="gradY">Gradient of y.</param>
    /// <param name="inputSum">Σ G·B over states; is added to.</param>
    /// <param name="rateSum">Σ rate·q over states; is added to.</param>
    /// <param name="b">B of the state, one for each token.</param>
    /// <param name="c">C, likewise.</param>
    /// <param name="tokenStride">From one token to the next in the two before.</param>
    /// <param name="gradB">Receives the gradient of B, whose lanes are yet to be summed, `[token][lane]`.</param>
    /// <param name="gradC">Receives that of C, likewise.</param>
    /// <param name="rates">A·log2(e) of the state.</param>
    /// <param name="decays">From <see cref="Recompute"/>.</param>
    /// <param name="states">From <see cref="Recompute"/>.</param>
    /// <param name="carry">decay·G of the token after the chunk; of the chunk's first token afterwards.</param>
    /// <param name="gradRates">Gradient of A; is added to.</param>
    /// <param name="vectorStride">From one vector of channels to the next in rates, carry and gradRates.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Reverse(
        int tokens, float* delta, float* u, float* gradY, float* inputSum, float* rateSum, float* b, float* c, int tokenStride, float* gradB, float* gradC,
        float* rates, float* decays, float* states, float* carry, float* gradRates, long vectorStride)
    {
        V rate0 = T.Load(rates), rate1 = T.Load(rates + vectorStride), rate2 = T.Load(rates + 2 * vectorStride), rate3 = T.Load(rates + 3 * vectorStride);
        V carry0 = T.Load(carry), carry1 = T.Load(carry + vectorStride), carry2 = T.Load(carry + 2 * vectorStride), carry3 = T.Load(carry + 3 * vectorStride);
        V sum0 = T.Load(gradRates), sum1 = T.Load(gradRates + vectorStride), sum2 = T.Load(gradRates + 2 * vectorStride), sum3 = T.Load(gradRates + 3 * vectorStride);
        float* last = states + (long)tokens * 4 * T.Count;
        V h0 = T.Load(last), h1 = T.Load(last + T.Count), h2 = T.Load(last + 2 * T.Count), h3 = T.Load(last + 3 * T.Count);
        for (int t = tokens - 1; t >= 0; t--)
        {
            long at = (long)t * 4 * T.Count;
            V entering = T.Create(b[t * tokenStride]), leaving = T.Create(c[t * tokenStride]);
            float* decay = decays + at;
            float* before = states + at;

            V step = T.Load(delta + at), grad = T.Load(gradY + at);
            V toC = T.Multiply(grad, h0), g = T.MultiplyAdd(grad, leaving, carry0), toB = T.Multiply(g, T.Multiply(step, T.Load(u + at)));
            T.Store(T.MultiplyAdd(g, entering, T.Load(inputSum + at)), inputSum + at);
            carry0 = T.Multiply(g, T.Load(decay));
            h0 = T.Load(before);
            V q = T.Multiply(carry0, h0);
            sum0 = T.MultiplyAdd(step, q, sum0);
            T.Store(T.MultiplyAdd(rate0, q, T.Load(rateSum + at)), rateSum + at);

            at += T.Count;
            step = T.Load(delta + at);
            grad = T.Load(gradY + at);
            toC = T.MultiplyAdd(grad, h1, toC);
            g = T.MultiplyAdd(grad, leaving, carry1);
            toB = T.MultiplyAdd(g, T.Multiply(step, T.Load(u + at)), toB);
            T.Store(T.MultiplyAdd(g, entering, T.Load(inputSum + at)), inputSum + at);
            carry1 = T.Multiply(g, T.Load(decay + T.Count));
            h1 = T.Load(before + T.Count);
            q = T.Multiply(carry1, h1);
            sum1 = T.MultiplyAdd(step, q, sum1);
            T.Store(T.MultiplyAdd(rate1, q, T.Load(rateSum + at)), rateSum + at);

            at += T.Count;
            step = T.Load(delta + at);
            grad = T.Load(gradY + at);
            toC = T.MultiplyAdd(grad, h2, toC);
            g = T.MultiplyAdd(grad, leaving, carry2);
            toB = T.MultiplyAdd(g, T.Multiply(step, T.Load(u + at)), toB);
            T.Store(T.MultiplyAdd(g, entering, T.Load(inputSum + at)), inputSum + at);
            carry2 = T.Multiply(g, T.Load(decay + 2 * T.Count));
            h2 = T.Load(before + 2 * T.Count);
            q = T.Multiply(carry2, h2);
            sum2 = T.MultiplyAdd(step, q, sum2);
            T.Store(T.MultiplyAdd(rate2, q, T.Load(rateSum + at)), rateSum + at);

            at += T.Count;
            step = T.Load(delta + at);
            grad = T.Load(gradY + at);
            T.Store(T.MultiplyAdd(grad, h3, toC), gradC + (long)t * T.Count);
            g = T.MultiplyAdd(grad, leaving, carry3);
            T.Store(T.MultiplyAdd(g, T.Multiply(step, T.Load(u + at)), toB), gradB + (long)t * T.Count);
            T.Store(T.MultiplyAdd(g, entering, T.Load(inputSum + at)), inputSum + at);
            carry3 = T.Multiply(g, T.Load(decay + 3 * T.Count));
            h3 = T.Load(before + 3 * T.Count);
            q = T.Multiply(carry3, h3);
            sum3 = T.MultiplyAdd(step, q, sum3);
            T.Store(T.MultiplyAdd(rate3, q, T.Load(rateSum + at)), rateSum + at);
        }
        T.Store(carry0, carry);
        T.Store(carry1, carry + vectorStride);
        T.Store(carry2, carry + 2 * vectorStride);
        T.Store(carry3, carry + 3 * vectorStride);
        T.Store(sum0, gradRates);
        T.Store(sum1, gradRates + vectorStride);
        T.Store(sum2, gradRates + 2 * vectorStride);
        T.Store(sum3, gradRates + 3 * vectorStride);
    }

    /// <summary>Adds the sum of each token's lanes to a row of tokens, four at a time.</summary>
    /// <param name="tokens">Number of tokens.</param>
    /// <param name="lanes">`[token][lane]`; up to three vectors beyond the last token are overwritten with zeros.</param>
    /// <param name="target">One number for each token; zero may be added to up to three numbers beyond.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void AddLanes(int tokens, float* lanes, float* target)
    {
        for (int t = tokens; t % 4 != 0; t++) T.Store(T.Create(0), lanes + (long)t * T.Count);
        for (int t = 0; t < tokens; t += 4, lanes += 4 * T.Count, target += 4)
            LaneMath.AddSums<T, V>(T.Load(lanes), T.Load(lanes + T.Count), T.Load(lanes + 2 * T.Count), T.Load(lanes + 3 * T.Count), target);
    }
}
