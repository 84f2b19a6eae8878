using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;

namespace Mural.Kernels;

/// <summary>Functions of one variable on lanes, accurate to about one unit in the last place of float32 unless they say otherwise.</summary>
internal static class LaneMath
{
    internal const float Log2E = 1.44269504f;

    // 2^r = 1 + r·(C1 + r·(C2 + ...)) for r in [-0.5, 0.5]: minimax in relative error with the constant held at 1, so that 2^0 is exact; error 9.1e-8.
    internal const float C1 = 0.6931469776f, C2 = 0.2402224208f, C3 = 0.05550733749f, C4 = 0.009671513279f, C5 = 0.001326472725f;

    // The same to the third power, minimax in relative error.
    private const float B0 = 0.9999280735f, B1 = 0.6932609855f, B2 = 0.2426111222f, B3 = 0.05517166907f;

    // atanh(s) = s·(1 + s²·(T1 + s²·(T2 + ...))) for s in [0, 1/3]: minimax in relative error, 4.5e-9.
    private const float T1 = 0.3333320814f, T2 = 0.2001076363f, T3 = 0.1400090253f, T4 = 0.1400599386f;

    // erfc(z) = e^(-z²)·t·(E1 + t·(E2 + ...)), t = 1 / (1 + P z), for z from 0: Abramowitz and Stegun 7.1.26, error 1.5e-7.
    private const float P = 0.3275911f, E1 = 0.254829592f, E2 = -0.284496736f, E3 = 1.421413741f, E4 = -1.453152027f, E5 = 1.061405429f;

    /// <summary>2^x for x up to 127. The coefficients are arguments so that a loop can hold them in registers.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static V Exp2<T, V>(V x, V c1, V c2, V c3, V c4, V c5, V one) where T : ILanes<V> where V : unmanaged
    {
        V whole = T.Round(x);
        V rest = T.Subtract(x, whole);
        V sum = T.MultiplyAdd(c5, rest, c4);
        sum = T.MultiplyAdd(sum, rest, c3);
        sum = T.MultiplyAdd(sum, rest, c2);
        sum = T.MultiplyAdd(sum, rest, c1);
        sum = T.MultiplyAdd(sum, rest, one);
        return T.ScaleByPowerOfTwo(sum, whole);
    }

    /// <summary>2^x for x up to 127 with an error of 7.5e-5, a fiftieth of what rounding to bfloat16 costs.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static V Exp2ForBFloat16<T, V>(V x) where T : ILanes<V> where V : unmanaged
    {
        V whole = T.Round(x);
        V rest = T.Subtract(x, whole);
        V sum = T.MultiplyAdd(T.Create(B3), rest, T.Create(B2));
        sum = T.MultiplyAdd(sum, rest, T.Create(B1));
        sum = T.MultiplyAdd(sum, rest, T.Create(B0));
        return T.ScaleByPowerOfTwo(sum, whole);
    }

    /// <summary>e^x for x up to 0; below about -87 it is 0.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static V ExpOfNegative<T, V>(V x) where T : ILanes<V> where V : unmanaged => Exp2OfNegative<T, V>(T.Multiply(x, T.Create(Log2E)));

    /// <summary>2^x for x up to 0; below about -126 it is 0.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static V Exp2OfNegative<T, V>(V x) where T : ILanes<V> where V : unmanaged =>
        // Bounded so that the whole part of an infinite argument is finite.
        Exp2<T, V>(T.Max(T.Create(-200), x), T.Create(C1), T.Create(C2), T.Create(C3), T.Create(C4), T.Create(C5), T.Create(1));

    /// <summary>ln(1 + e^x) = max(x, 0) + ln(1 + e^-|x|): equal to x in float32 from 20 on, where PyTorch switches.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static V Softplus<T, V>(V x) where T : ILanes<V> where V : unmanaged => Softplus<T, V>(x, ExpOfNegative<T, V>(T.Subtract(T.Create(0), T.Abs(x))));

    /// <summary>Softplus and its slope, which is the sigmoid.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static V Softplus<T, V>(V x, out V slope) where T : ILanes<V> where V : unmanaged
    {
        V e = ExpOfNegative<T, V>(T.Subtract(T.Create(0), T.Abs(x)));
        slope = Sigmoid<T, V>(x, e);
        return Softplus<T, V>(x, e);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static V Softplus<T, V>(V x, V e) where T : ILanes<V> where V : unmanaged
    {
        // ln(1 + e) = 2 atanh(e / (2 + e)) keeps its relative accuracy for the smallest e.
        V s = T.Divide(e, T.Add(e, T.Create(2)));
        V s2 = T.Multiply(s, s);
        V series = T.MultiplyAdd(T.Create(T4), s2, T.Create(T3));
        series = T.MultiplyAdd(series, s2, T.Create(T2));
        series = T.MultiplyAdd(series, s2, T.Create(T1));
        series = T.MultiplyAdd(series, s2, T.Create(1));
        return T.MultiplyAdd(T.Add(s, s), series, T.Max(T.Create(0), x));
    }

    /// <summary>1 / (1 + e^-x), as e^x / (1 + e^x) below zero, where the other form would lose digits.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static V Sigmoid<T, V>(V x) where T : ILanes<V> where V : unmanaged => Sigmoid<T, V>(x, ExpOfNegative<T, V>(T.Subtract(T.Create(0), T.Abs(x))));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static V Sigmoid<T, V>(V x, V e) where T : ILanes<V> where V : unmanaged =>
        T.Divide(T.IfNegative(x, e, T.Create(1)), T.Add(e, T.Create(1)));

    /// <summary>x Φ(x) = x erfc(-x / √2) / 2, exact GELU. Φ is taken at -|x|, where it keeps its digits however small it gets.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static V Gelu<T, V>(V x) where T : ILanes<V> where V : unmanaged
    {
        V one = T.Create(1), half = T.Create(0.5f);
        V t = T.Divide(one, T.MultiplyAdd(T.Abs(x), T.Create(P * 0.70710678f), one));
        V series = T.MultiplyAdd(T.Create(E5), t, T.Create(E4));
        series = T.MultiplyAdd(series, t, T.Create(E3));
        series = T.MultiplyAdd(series, t, T.Create(E2));
        series = T.MultiplyAdd(series, t, T.Create(E1));
        V squares = T.Multiply(T.Multiply(x, x), T.Create(-0.5f));
        V tail = T.Multiply(T.Multiply(T.Multiply(series, t), half), ExpOfNegative<T, V>(squares));
        return T.Multiply(x, T.IfNegative(x, tail, T.Subtract(one, tail)));
    }

    /// <summary>Sum of the lanes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static float Sum<T, V>(V value) where T : ILanes<V> where V : unmanaged => Vector128.Sum(T.Fold(value));

    /// <summary>Sums the lanes of four vectors and adds the results to four neighbouring numbers.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static unsafe void AddSums<T, V>(V first, V second, V third, V fourth, float* target) where T : ILanes<V> where V : unmanaged
    {
        Vector128<float> sums = SumEach(T.Fold(first), T.Fold(second), T.Fold(third), T.Fold(fourth));
        (Vector128.Load(target) + sums).Store(target);
    }

    // The four sums as one vector.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<float> SumEach(Vector128<float> first, Vector128<float> second, Vector128<float> third, Vector128<float> fourth)
    {
        if (Sse.IsSupported)
        {
            Vector128<float> pair = Sse.UnpackLow(first, second) + Sse.UnpackHigh(first, second);
            Vector128<float> other = Sse.UnpackLow(third, fourth) + Sse.UnpackHigh(third, fourth);
            return Sse.MoveLowToHigh(pair, other) + Sse.MoveHighToLow(other, pair);
        }
        if (AdvSimd.Arm64.IsSupported)
            return AdvSimd.Arm64.AddPairwise(AdvSimd.Arm64.AddPairwise(first, second), AdvSimd.Arm64.AddPairwise(third, fourth));
        return Vector128.Create(Vector128.Sum(first), Vector128.Sum(second), Vector128.Sum(third), Vector128.Sum(fourth));
    }
}
