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

/// <summary>The width that this processor likes best.</summary>
internal static class VectorWidths
{
    internal static VectorWidth Best { get; } =
        Vector512.IsHardwareAccelerated ? VectorWidth.Bits512 :
        Vector256.IsHardwareAccelerated ? VectorWidth.Bits256 :
        Vector128.IsHardwareAccelerated ? VectorWidth.Bits128 : VectorWidth.None;
}
