using System.Runtime.Intrinsics;

namespace Mural.Kernels;

/// <summary>
/// Arithmetic on a fixed number of float32 lanes. Kernels are written once over this interface; one implementation per vector width, and one without vectors.
/// The type argument of an implementation is known when the code is compiled, so that every call becomes one instruction.
/// </summary>
/// <typeparam name="V">The register: a vector of float32, or float itself.</typeparam>
internal unsafe interface ILanes<V> where V : unmanaged
{
    /// <summary>Number of lanes; at most <see cref="Lanes.Most"/>.</summary>
    static abstract int Count { get; }

    static abstract V Create(float value);

    static abstract V Load(float* source);

    static abstract void Store(V value, float* target);

    /// <summary>Widens <see cref="Count"/> bfloat16 values.</summary>
    static abstract V LoadBFloat16(ushort* source);

    /// <summary>Rounds to bfloat16, to nearest even; NaN stays NaN.</summary>
    static abstract void StoreBFloat16(V value, ushort* target);

    static abstract V Add(V left, V right);

    static abstract V Subtract(V left, V right);

    static abstract V Multiply(V left, V right);

    static abstract V Divide(V left, V right);

    static abstract V SquareRoot(V value);

    /// <summary>left · right + addend, in one rounding where the processor can.</summary>
    static abstract V MultiplyAdd(V left, V right, V addend);

    /// <summary>The larger; where one is NaN, the right one (x86) or NaN (Arm): pass bounds on the left.</summary>
    static abstract V Max(V left, V right);

    /// <summary>Whether <paramref name="left"/> is larger in any lane.</summary>
    static abstract bool AnyGreater(V left, V right);

    /// <summary>Lane by lane, <paramref name="then"/> where <paramref name="test"/> is below zero, else <paramref name="otherwise"/>.</summary>
    static abstract V IfNegative(V test, V then, V otherwise);

    static abstract V Abs(V value);

    /// <summary>To the nearest whole number.</summary>
    static abstract V Round(V value);

    /// <summary>value · 2^power for whole powers up to 127; powers below -126 may give 0.</summary>
    static abstract V ScaleByPowerOfTwo(V value, V power);

    /// <summary>Adds lanes until four are left.</summary>
    static abstract Vector128<float> Fold(V value);
}

/// <summary>What every width shares.</summary>
internal static class Lanes
{
    /// <summary>Lanes of the widest vector: buffers are padded to whole vectors of this many.</summary>
    internal const int Most = 16;
}
