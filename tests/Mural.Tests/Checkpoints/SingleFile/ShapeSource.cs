using Mural.Checkpoints;

namespace Mural.Tests.Checkpoints.SingleFile;

/// <summary>A checkpoint of which only names and shapes are known.</summary>
internal sealed class ShapeSource(IEnumerable<(string Name, long[] Shape)> tensors) : ITensorSource
{
    public string Path => "shapes";

    public string Format => "shapes";

    public IReadOnlyDictionary<string, TensorEntry> Tensors { get; } =
        tensors.ToDictionary(tensor => tensor.Name, tensor => new TensorEntry(tensor.Name, ScalarType.Float16, tensor.Shape, 0, 0));

    public IReadOnlyDictionary<string, string> Metadata { get; } = new Dictionary<string, string>();

    public Tensor Read(string name, ScalarType? type = null) => throw new InvalidOperationException("There are only shapes.");

    public void CopyInto(string name, Tensor destination) => throw new InvalidOperationException("There are only shapes.");

    public void Dispose()
    {
    }
}
