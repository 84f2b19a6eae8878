using static TorchSharp.torch;

namespace Mural.Checkpoints.SingleFile;

/// <summary>
/// One component of a single-file checkpoint, seen under the names and shapes that its folder in diffusers' layout would have. Disposing it leaves the file open.
/// </summary>
internal sealed class ComponentSource : ITensorSource
{
    private readonly ITensorSource _file;
    private readonly Dictionary<string, (string Stored, TensorTransform Transform)> _places;

    internal ComponentSource(ITensorSource file, string component, IEnumerable<(string Name, string Stored, TensorTransform Transform)> tensors)
    {
        _file = file;
        Path = file.Path;
        Component = component;
        _places = [];
        var entries = new Dictionary<string, TensorEntry>();
        foreach ((string name, string stored, TensorTransform transform) in tensors)
        {
            TensorEntry entry = file.Tensors[stored];
            if (!transform.Fits(entry.Shape))
                throw new MuralException(
                    $"{file.Path}: the tensor {stored} has the shape {Sizes.Text(entry.Shape)}, which does not split into {name}; the file is damaged or of an unknown model.");
            if (!_places.TryAdd(name, (stored, transform))) throw new MuralException($"{file.Path} holds {name} of the {component} twice ({_places[name].Stored} and {stored}).");
            long[] shape = transform.Shape(entry.Shape);
            long share = Math.Max(1, entry.Elements / Math.Max(1, shape.Aggregate(1L, (a, b) => a * b)));
            entries.Add(name, entry with { Name = name, Shape = shape, Bytes = entry.Bytes / share });
        }
        Tensors = entries;
    }

    /// <summary>The component's folder in diffusers' layout.</summary>
    internal string Component { get; }

    /// <inheritdoc/>
    public string Path { get; }

    /// <inheritdoc/>
    public string Format => _file.Format;

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, TensorEntry> Tensors { get; }

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, string> Metadata => _file.Metadata;

    /// <inheritdoc/>
    public Tensor Read(string name, ScalarType? type = null)
    {
        (string stored, TensorTransform transform) = Place(name);
        if (transform == TensorTransform.Same) return _file.Read(stored, type);
        using var scope = NewDisposeScope();
        // A part is copied out, so that it does not keep the whole alive.
        Tensor part = transform.View(_file.Read(stored, type));
        return (part.is_contiguous() && transform == TensorTransform.Squeeze ? part : part.clone().contiguous()).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public void CopyInto(string name, Tensor destination)
    {
        (string stored, TensorTransform transform) = Place(name);
        if (transform == TensorTransform.Same)
        {
            _file.CopyInto(stored, destination);
            return;
        }
        if (!destination.shape.AsSpan().SequenceEqual(Tensors[name].Shape))
            throw new MuralException($"{Path}: the tensor {name} has the shape {Sizes.Text(Tensors[name].Shape)} instead of {Sizes.Text(destination.shape)}.");
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        destination.detach().copy_(transform.View(_file.Read(stored)));
    }

    /// <summary>The file stays open for the other components.</summary>
    public void Dispose()
    {
    }

    private (string Stored, TensorTransform Transform) Place(string name) =>
        _places.TryGetValue(name, out (string, TensorTransform) place) ? place : throw new MuralException($"{Path} holds no tensor {name} of the {Component}.");
}
