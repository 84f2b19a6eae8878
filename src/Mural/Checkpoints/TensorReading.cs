using static TorchSharp.torch;

namespace Mural.Checkpoints;

/// <summary>What every <see cref="ITensorSource"/> does alike when a tensor is asked for.</summary>
internal static class TensorReading
{
    internal static Tensor Read(ITensorSource source, string name, ScalarType? type)
    {
        TensorEntry entry = Find(source, name);
        Tensor tensor = empty(entry.Shape, type ?? entry.Type);
        try
        {
            source.CopyInto(name, tensor);
            return tensor;
        }
        catch
        {
            tensor.Dispose();
            throw;
        }
    }

    internal static TensorEntry Check(ITensorSource source, string name, Tensor destination)
    {
        TensorEntry entry = Find(source, name);
        long[] shape = destination.shape;
        if (!shape.AsSpan().SequenceEqual(entry.Shape))
            throw new MuralException($"The tensor {Quote.Name(name)} of {source.Path} has the shape {Sizes.Text(entry.Shape)} where {Sizes.Text(shape)} was expected; "
                + "choose a checkpoint of this size.");
        if (entry.Type == ScalarType.ComplexFloat32 && destination.dtype is not (ScalarType.ComplexFloat32 or ScalarType.ComplexFloat64))
            throw new MuralException($"The tensor {Quote.Name(name)} of {source.Path} holds complex numbers where {destination.dtype} was expected; read it as complex.");
        return entry;
    }

    /// <summary>The bytes of an element in memory.</summary>
    internal static int ElementBytes(this ScalarType type) => type switch
    {
        ScalarType.ComplexFloat64 => 16,
        ScalarType.Float64 or ScalarType.Int64 or ScalarType.ComplexFloat32 => 8,
        ScalarType.Float32 or ScalarType.Int32 => 4,
        ScalarType.Float16 or ScalarType.BFloat16 or ScalarType.Int16 => 2,
        _ => 1,
    };

    private static TensorEntry Find(ITensorSource source, string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        return source.Tensors.TryGetValue(name, out TensorEntry? entry)
            ? entry
            : throw new MuralException($"{source.Path} has no tensor named {Quote.Name(name)} among its {source.Tensors.Count}; look at its names with mural inspect.");
    }
}
