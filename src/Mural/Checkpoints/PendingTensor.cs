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

    private static ScalarType Target(ScalarType own, ScalarType? wanted) =>
        own is ScalarType.Float16 or ScalarType.BFloat16 or ScalarType.Float32 or ScalarType.Float64 ? wanted ?? own : own;
}
