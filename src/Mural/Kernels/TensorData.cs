using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using static TorchSharp.torch;

namespace Mural.Kernels;

/// <summary>Where a CPU tensor's numbers lie. The pointers are good while the tensor is.</summary>
internal static unsafe class TensorData
{
    /// <summary>Address of the first element, also of a view; null for an empty tensor.</summary>
    internal static void* Pointer(Tensor tensor)
    {
        if (tensor.numel() == 0) return null;
        // A view of one element is contiguous whatever the strides of the whole.
        using Tensor first = tensor.as_strided([1], [1], tensor.storage_offset());
        return Unsafe.AsPointer(ref MemoryMarshal.GetReference(first.bytes));
    }

    /// <summary>Address of a contiguous float32 tensor.</summary>
    internal static float* Floats(Tensor tensor) => (float*)Pointer(tensor);
}
