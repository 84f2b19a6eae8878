using System.Runtime.CompilerServices;

namespace Mural.Kernels;

/// <summary>A function applied to every number at the end of a kernel.</summary>
internal interface IActivation
{
    static abstract V Apply<T, V>(V value) where T : ILanes<V> where V : unmanaged;

    /// <summary>The derivative at <paramref name="value"/>.</summary>
    static abstract V Derivative<T, V>(V value) where T : ILanes<V> where V : unmanaged;
}

/// <summary>No activation.</summary>
internal readonly struct IdentityActivation : IActivation
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Apply<T, V>(V value) where T : ILanes<V> where V : unmanaged => value;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Derivative<T, V>(V value) where T : ILanes<V> where V : unmanaged => T.Create(1);
}

/// <summary>SiLU: x · sigmoid(x).</summary>
internal readonly struct SiluActivation : IActivation
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Apply<T, V>(V value) where T : ILanes<V> where V : unmanaged => T.Multiply(value, LaneMath.Sigmoid<T, V>(value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Derivative<T, V>(V value) where T : ILanes<V> where V : unmanaged
    {
        // s (1 + x (1 - s))
        V sigmoid = LaneMath.Sigmoid<T, V>(value), one = T.Create(1);
        return T.Multiply(sigmoid, T.MultiplyAdd(value, T.Subtract(one, sigmoid), one));
    }
}
