using static TorchSharp.torch;

namespace Mural.Checkpoints;

/// <summary>A tensor about to be written, opened only when its turn comes.</summary>
internal sealed record PendingTensor(string Name, ScalarType Type, long[] Shape, Func<Tensor> Open)
{
    internal long Bytes { get; } = checked(SafetensorsType.Of(Type, Name).Bytes * new TensorEntry(Name, Type, Shape, 0, 0).Elements);

    internal static PendingTensor From(string name, Tensor tensor, ScalarType? type) =>
        new(name, Target(tensor.dtype, type), tensor.shape, () => tensor.detach());

    internal static PendingTensor From(ITensorSource source, TensorEntry entry, ScalarType? type) =>
        new(entry.Name, Target(entry.Type, type), entry.Shape, () => source.Read(entry.Name));

    /// <summary>Writes the values, row by row, in the type to come.</summary>
    /// <exception cref="MuralException">A value is beyond that type's range.</exception>
    internal void WriteTo(Stream stream, CancellationToken cancellationToken)
    {
        using Tensor tensor = Open();
        if (!tensor.shape.AsSpan().SequenceEqual(Shape))
            throw new InvalidOperationException($"The tensor {Name} changed its shape while it was being saved.");
        bool mayOverflow = Type == ScalarType.Float16 && tensor.dtype is ScalarType.Float32 or ScalarType.Float64 or ScalarType.BFloat16;
        TensorPieces.Drain(tensor, Type, piece =>
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (mayOverflow && piece.isinf().any().item<bool>() && tensor.detach().isfinite().all().item<bool>())
                throw new MuralException($"The tensor {Name} has values beyond the 65504 of float16; write it as bfloat16 or float32.");
            stream.Write(piece.bytes);
        });
    }

    private static ScalarType Target(ScalarType own, ScalarType? wanted) =>
        own is ScalarType.Float16 or ScalarType.BFloat16 or ScalarType.Float32 or ScalarType.Float64 ? wanted ?? own : own;
}
