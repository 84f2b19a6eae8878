using static TorchSharp.torch;

namespace Mural.Checkpoints;

/// <summary>Loads a checkpoint into a module whose registered names are the checkpoint's names, and saves one.</summary>
internal static class ModuleWeights
{
    /// <summary>
    /// Decides whether a tensor of another shape may be adapted: returns the function that does it (given the stored tensor in the
    /// destination's type, it returns one of the wanted shape), or null where the shapes must agree.
    /// </summary>
    internal delegate Func<Tensor, Tensor>? ShapeAdapter(string name, long[] stored, long[] wanted);

    /// <summary>Bytes of a module's parameters.</summary>
    internal static long Bytes(nn.Module module) => module.parameters().Sum(parameter => parameter.numel() * parameter.element_size());

    /// <summary>
    /// Copies every parameter and persistent buffer straight into place, converted to the module's types. The names must fit exactly: all that is missing,
    /// unexpected or of another shape is collected into one error before anything is copied.
    /// </summary>
    /// <param name="module">The module to fill.</param>
    /// <param name="source">The checkpoint.</param>
    /// <param name="rename">Gives the module's name for a name of the checkpoint, or null for a tensor to leave out.</param>
    /// <param name="adapt">Allows tensors of another shape, such as a position table for another grid.</param>
    /// <exception cref="CheckpointMismatchException">The checkpoint does not fit the module.</exception>
    internal static void Load(nn.Module module, ITensorSource source, Func<string, string?>? rename = null, ShapeAdapter? adapt = null)
    {
        Dictionary<string, Tensor> places = Places(module);
        var copies = new List<(string Stored, Tensor Place, Func<Tensor, Tensor>? Adapt)>();
        var unexpected = new List<string>();
        var misshapen = new List<string>();
        var found = new HashSet<string>();
        foreach (TensorEntry entry in source.Tensors.Values)
        {
            string? name = rename is null ? entry.Name : rename(entry.Name);
            if (name is null) continue;
            if (!places.TryGetValue(name, out Tensor? place) || !found.Add(name))
            {
                unexpected.Add(entry.Name);
                continue;
            }
            long[] wanted = place.shape;
            bool fits = wanted.AsSpan().SequenceEqual(entry.Shape);
            Func<Tensor, Tensor>? adapter = fits ? null : adapt?.Invoke(name, entry.Shape, wanted);
            if (fits || adapter is not null) copies.Add((entry.Name, place, adapter));
            else misshapen.Add($"{entry.Name} is {Sizes.Text(entry.Shape)} instead of {Sizes.Text(wanted)}");
        }
        string[] missing = [.. places.Keys.Where(name => !found.Contains(name))];
        if (missing.Length + unexpected.Count + misshapen.Count > 0)
            throw new CheckpointMismatchException(source.Path, module.GetName(), missing, unexpected, misshapen);

        foreach ((string stored, Tensor place, Func<Tensor, Tensor>? adapter) in copies)
        {
            if (adapter is null)
            {
                source.CopyInto(stored, place);
                continue;
            }
            using TorchSharp.DisposeScope scope = NewDisposeScope();
            using (no_grad())
            {
                Tensor adapted = adapter(source.Read(stored, place.dtype));
                if (!adapted.shape.AsSpan().SequenceEqual(place.shape))
                    throw new InvalidOperationException($"{stored} was adapted to {Sizes.Text(adapted.shape)} instead of {Sizes.Text(place.shape)}.");
                place.detach().copy_(adapted);
            }
        }
    }

    /// <summary>Saves every parameter and persistent buffer under its registered name.</summary>
    /// <inheritdoc cref="SafetensorsWriter.Save(string, IReadOnlyDictionary{string, Tensor}, IReadOnlyDictionary{string, string}?, ScalarType?, CancellationToken)"/>
    internal static void Save(
        nn.Module module,
        string path,
        IReadOnlyDictionary<string, string>? metadata = null,
        ScalarType? type = null,
        CancellationToken cancellationToken = default) =>
        SafetensorsWriter.Save(path, Places(module), metadata, type, cancellationToken);

    /// <summary>
    /// Every parameter and persistent buffer by its registered name, each once (TorchSharp's own state_dict lists some again under their fields' names). The
    /// tensors are the module's own objects: none is to be disposed.
    /// </summary>
    internal static Dictionary<string, Tensor> Places(nn.Module module)
    {
        var places = new Dictionary<string, Tensor>();
        foreach ((string name, Tensor parameter) in module.named_parameters()) places.Add(name, parameter);
        foreach ((string name, Tensor buffer) in module.named_buffers(include_nonpersistent: false)) places.Add(name, buffer);
        return places;
    }
}
