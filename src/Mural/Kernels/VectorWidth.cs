using System.Runtime.Intrinsics;

namespace Mural.Kernels;

/// <summary>Which of a kernel's forms runs.</summary>
internal enum VectorWidth
{
    /// <summary>Plain float arithmetic.</summary>
    None,

    /// <summary>Four lanes.</summary>
    Bits128,

    /// <summary>Eight lanes.</summary>
    Bits256,

    /// <summary>Sixteen lanes.</summary>
    Bits512,
}

/// <summary>Loops that are written once and compiled for every width.</summary>
/// <typeparam name="TPasses">The loops, whatever their width: the type itself.</typeparam>
internal interface IVectorized<TPasses> where TPasses : IVectorized<TPasses>
{
    /// <summary>The loops over one kind of lanes.</summary>
    static abstract TPasses Over<T, V>() where T : ILanes<V> where V : unmanaged;
}

/// <summary>From widths to the loops that are compiled for them.</summary>
internal static class VectorWidths
{
    /// <summary>The width that this processor likes best.</summary>
    internal static VectorWidth Best { get; } =
        Vector512.IsHardwareAccelerated ? VectorWidth.Bits512 :
        Vector256.IsHardwareAccelerated ? VectorWidth.Bits256 :
        Vector128.IsHardwareAccelerated ? VectorWidth.Bits128 : VectorWidth.None;

    /// <summary>A kernel's loops at this width.</summary>
    internal static TPasses Passes<TPasses>(this VectorWidth width) where TPasses : IVectorized<TPasses> => width switch
    {
        VectorWidth.Bits512 => TPasses.Over<Lanes512, Vector512<float>>(),
        VectorWidth.Bits256 => TPasses.Over<Lanes256, Vector256<float>>(),
        VectorWidth.Bits128 => TPasses.Over<Lanes128, Vector128<float>>(),
        _ => TPasses.Over<LanesScalar, float>(),
    };
}
