using static TorchSharp.torch;

namespace Mural.Checkpoints.SingleFile;

/// <summary>Components in diffusers' layout, seen as one file of the original layout: what <see cref="SafetensorsWriter"/> needs to save them so.</summary>
internal sealed class OriginalSource : ITensorSource
{
    private readonly Dictionary<string, Part[]> _parts = [];

    private readonly record struct Part(ITensorSource Source, string Name, TensorTransform Transform);

    /// <param name="path">What the components were read from, for messages.</param>
    /// <param name="family">The family to write.</param>
    /// <param name="components">The components by their folder's name; they stay the caller's.</param>
    /// <param name="marks">Names of tensors without elements that stand beside them.</param>
    /// <exception cref="MuralException">The original layout has no place for a tensor.</exception>
    internal OriginalSource(string path, ModelFamily family, IReadOnlyDictionary<string, ITensorSource> components, IReadOnlyList<string>? marks = null)
    {
        Path = path;
        var names = new OriginalNames(family, components.ToDictionary(pair => pair.Key, pair => pair.Value.Tensors.Keys));
        foreach ((string component, ITensorSource source) in components)
        {
            foreach (string name in source.Tensors.Keys.Where(name => !name.EndsWith("position_ids", StringComparison.Ordinal)))
            {
                (string stored, TensorTransform transform) = names.Of(component, name)
                    ?? throw new MuralException($"The tensor {name} of the {component} in {path} has no name in the single-file layout of {family}; keep this model as a folder.");
                Part[] known = _parts.GetValueOrDefault(stored, []);
                _parts[stored] = [.. known.Append(new Part(source, name, transform)).OrderBy(part => part.Transform)];
            }
        }
        Dictionary<string, TensorEntry> tensors = _parts.ToDictionary(pair => pair.Key, pair => Entry(pair.Key, pair.Value));
        foreach (string mark in marks ?? []) tensors.Add(mark, new TensorEntry(mark, ScalarType.Float32, [0], 0, 0));
        Tensors = tensors;
    }

    /// <inheritdoc/>
    public string Path { get; }

    /// <inheritdoc/>
    public string Format => "diffusers folder";

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, TensorEntry> Tensors { get; }

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, string> Metadata => new Dictionary<string, string>();

    /// <inheritdoc/>
    public Tensor Read(string name, ScalarType? type = null)
    {
        if (!_parts.TryGetValue(name, out Part[]? parts)) return empty(0, type ?? Tensors[name].Type);
        using var scope = NewDisposeScope();
        Tensor[] read = [.. parts.Select(part => part.Source.Read(part.Name, type))];
        Tensor whole = parts[0].Transform switch
        {
            TensorTransform.Same => read[0],
            TensorTransform.Squeeze => read[0].reshape(Tensors[name].Shape),
            TensorTransform.Transpose => read[0].t().contiguous(),
            _ => cat(read, 0),
        };
        return whole.MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public void CopyInto(string name, Tensor destination)
    {
        using Tensor whole = Read(name);
        using var quiet = no_grad();
        destination.copy_(whole);
    }

    /// <summary>The components stay open.</summary>
    public void Dispose()
    {
    }

    private TensorEntry Entry(string name, Part[] parts)
    {
        TensorEntry first = parts[0].Source.Tensors[parts[0].Name];
        bool joint = parts[0].Transform >= TensorTransform.FirstThird;
        if (parts.Length != (joint ? TensorTransforms.Thirds.Length : 1))
            throw new MuralException($"{Path} has {parts.Length} tensors for {name} of the single-file layout ({string.Join(", ", parts.Select(part => part.Name))}), "
                + $"where {(joint ? 3 : 1)} belong together; the folder is incomplete.");
        long[] shape = parts[0].Transform switch
        {
            TensorTransform.Same => first.Shape,
            TensorTransform.Squeeze => first.Shape.Length == 4 ? first.Shape : [.. first.Shape, 1, 1],
            TensorTransform.Transpose => [first.Shape[1], first.Shape[0]],
            _ => [3 * first.Shape[0], .. first.Shape[1..]],
        };
        return first with { Name = name, Shape = shape, Bytes = parts.Sum(part => part.Source.Tensors[part.Name].Bytes) };
    }
}
