using System.Runtime.CompilerServices;

namespace Mural.Kernels;

/// <summary>How numbers lie in memory. Kernels compute in float32 lanes whatever they read and write.</summary>
internal unsafe interface IElement
{
    /// <summary>Size of one number.</summary>
    static abstract int Bytes { get; }

    /// <summary>A whole vector from <paramref name="source"/> on.</summary>
    static abstract V Load<T, V>(byte* source) where T : ILanes<V> where V : unmanaged;

    /// <summary>Writes a whole vector, rounded.</summary>
    static abstract void Store<T, V>(V value, byte* target) where T : ILanes<V> where V : unmanaged;
}

/// <summary>float32 in memory.</summary>
internal readonly unsafe struct Float32Element : IElement
{
    public static int Bytes => sizeof(float);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Load<T, V>(byte* source) where T : ILanes<V> where V : unmanaged => T.Load((float*)source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store<T, V>(V value, byte* target) where T : ILanes<V> where V : unmanaged => T.Store(value, (float*)target);
}

/// <summary>bfloat16 in memory.</summary>
internal readonly unsafe struct BFloat16Element : IElement
{
    public static int Bytes => sizeof(ushort);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Load<T, V>(byte* source) where T : ILanes<V> where V : unmanaged => T.LoadBFloat16((ushort*)source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store<T, V>(V value, byte* target) where T : ILanes<V> where V : unmanaged => T.StoreBFloat16(value, (ushort*)target);
}
