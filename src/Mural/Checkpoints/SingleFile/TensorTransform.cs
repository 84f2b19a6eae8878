using static TorchSharp.torch;

namespace Mural.Checkpoints.SingleFile;

/// <summary>How a tensor of a single file becomes one of a component (spec stable-diffusion.md 8.3 and 8.4).</summary>
internal enum TensorTransform
{
    /// <summary>As it is.</summary>
    Same,

    /// <summary>A 1x1 convolution that is a linear layer today: <c>[C, C, 1, 1]</c> to <c>[C, C]</c>.</summary>
    Squeeze,

    /// <summary>Rows and columns change places.</summary>
    Transpose,

    /// <summary>The first of three slabs of rows: the query's part of a joint projection.</summary>
    FirstThird,

    /// <summary>The second of three slabs of rows: the key's part.</summary>
    SecondThird,

    /// <summary>The last of three slabs of rows: the value's part.</summary>
    LastThird,
}

/// <summary>What transforms do to shapes and values.</summary>
internal static class TensorTransforms
{
    /// <summary>Query, key and value in the order of a joint projection's slabs.</summary>
    internal static readonly TensorTransform[] Thirds = [TensorTransform.FirstThird, TensorTransform.SecondThird, TensorTransform.LastThird];

    /// <summary>Whether a tensor of this shape can be transformed.</summary>
    internal static bool Fits(this TensorTransform transform, long[] shape) => transform switch
    {
        TensorTransform.Same => true,
        TensorTransform.Squeeze => shape is [_, _, 1, 1],
        TensorTransform.Transpose => shape.Length == 2,
        _ => shape.Length > 0 && shape[0] % 3 == 0,
    };

    /// <summary>The shape afterwards.</summary>
    internal static long[] Shape(this TensorTransform transform, long[] shape) => transform switch
    {
        TensorTransform.Same => shape,
        TensorTransform.Squeeze => shape[..2],
        TensorTransform.Transpose => [shape[1], shape[0]],
        _ => [shape[0] / 3, .. shape[1..]],
    };

    /// <summary>A view of the values afterwards.</summary>
    internal static Tensor View(this TensorTransform transform, Tensor stored)
    {
        switch (transform)
        {
            case TensorTransform.Same:
                return stored.alias();
            case TensorTransform.Squeeze:
                return stored.reshape(stored.shape[..2]);
            case TensorTransform.Transpose:
                return stored.t();
            default:
                long rows = stored.shape[0] / 3;
                return stored.narrow(0, Array.IndexOf(Thirds, transform) * rows, rows);
        }
    }
}
