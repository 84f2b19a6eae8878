using Mural.Checkpoints.Pickle;

namespace Mural.Checkpoints;

/// <summary>Collects the elements of a strided view in row-major order.</summary>
internal static class StridedGather
{
    /// <summary>Whether a view's elements lie one after the other in row-major order.</summary>
    internal static bool IsContiguous(long[] shape, long[] strides)
    {
        if (shape.Contains(0)) return true;
        long expected = 1;
        for (int i = shape.Length - 1; i >= 0; i--)
        {
            if (shape[i] != 1 && strides[i] != expected) return false;
            expected *= shape[i];
        }
        return true;
    }

    /// <summary>Fills <paramref name="target"/> with the elements from <paramref name="first"/> on, counted in row-major order.</summary>
    /// <param name="file">The file that holds the storage.</param>
    /// <param name="storage">Where the storage begins in the file.</param>
    /// <param name="view">A view of at least one dimension that lies within its storage.</param>
    /// <param name="first">The first element.</param>
    /// <param name="target">Room for whole elements.</param>
    internal static void Copy(MappedFile file, long storage, PickleTensor view, long first, Span<byte> target)
    {
        int bytes = view.Type.Bytes, last = view.Shape.Length - 1;
        Span<long> index = stackalloc long[view.Shape.Length];
        long rest = first;
        for (int i = last; i >= 0; i--)
        {
            index[i] = rest % view.Shape[i];
            rest /= view.Shape[i];
        }
        while (target.Length > 0)
        {
            long element = view.Offset;
            for (int i = 0; i <= last; i++) element += index[i] * view.Strides[i];
            int run = (int)Math.Min(view.Shape[last] - index[last], target.Length / bytes);
            CopyRun(file, storage + element * bytes, view.Strides[last], bytes, target[..(run * bytes)]);
            target = target[(run * bytes)..];
            index[last] += run;
            for (int i = last; i > 0 && index[i] == view.Shape[i]; i--)
            {
                index[i] = 0;
                index[i - 1]++;
            }
        }
    }

    private static void CopyRun(MappedFile file, long offset, long stride, int bytes, Span<byte> target)
    {
        if (stride == 1)
        {
            file.Slice(offset, target.Length).CopyTo(target);
            return;
        }
        for (; target.Length > 0; target = target[bytes..], offset += stride * bytes) file.Slice(offset, bytes).CopyTo(target);
    }
}
