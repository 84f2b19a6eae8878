namespace Mural.Checkpoints.SingleFile;

/// <summary>A Stable Diffusion in one file of the original layout, seen as the components of diffusers' layout.</summary>
internal sealed class SingleFileCheckpoint : IDisposable
{
    private SingleFileCheckpoint(ITensorSource source, ModelFamily family, IReadOnlyDictionary<string, ComponentSource> components, IReadOnlyList<string> unused)
    {
        Source = source;
        Family = family;
        Components = components;
        Unused = unused;
    }

    /// <summary>The file as it is.</summary>
    internal ITensorSource Source { get; }

    /// <summary>What it is.</summary>
    internal ModelFamily Family { get; }

    /// <summary>The components by their folder's name: <c>unet</c>, <c>vae</c>, <c>text_encoder</c>, <c>text_encoder_2</c>. A file may lack some.</summary>
    internal IReadOnlyDictionary<string, ComponentSource> Components { get; }

    /// <summary>Tensors that belong to no component, such as the noise schedule of the training and its moving average.</summary>
    internal IReadOnlyList<string> Unused { get; }

    /// <summary>Channels of the UNet's input: 4, or 9 for inpainting.</summary>
    internal long InputChannels => Components[SingleFileLayout.UNet].Tensors["conv_in.weight"].Shape[1];

    /// <summary>Opens a file.</summary>
    /// <exception cref="MuralException">The file cannot be read or is another model.</exception>
    internal static SingleFileCheckpoint Open(string path)
    {
        ITensorSource source = Checkpoint.Open(path);
        try
        {
            return Of(source);
        }
        catch
        {
            source.Dispose();
            throw;
        }
    }

    /// <summary>Arranges an open file, which belongs to the result afterwards.</summary>
    /// <exception cref="MuralException">It is another model.</exception>
    internal static SingleFileCheckpoint Of(ITensorSource source)
    {
        ModelFamily family = ModelFamilies.Detect(source);
        var layout = new SingleFileLayout(source, family);
        var places = new Dictionary<string, List<(string Name, string Stored, TensorTransform Transform)>>();
        var unused = new List<string>();
        foreach (TensorEntry stored in source.Tensors.Values)
        {
            IReadOnlyList<ComponentTensor> parts = layout.Of(stored);
            if (parts.Count == 0) unused.Add(stored.Name);
            foreach (ComponentTensor part in parts)
            {
                if (!places.TryGetValue(part.Component, out List<(string, string, TensorTransform)>? tensors)) places.Add(part.Component, tensors = []);
                tensors.Add((part.Name, stored.Name, part.Transform));
            }
        }
        if (!places.TryGetValue(SingleFileLayout.UNet, out List<(string Name, string, TensorTransform)>? unet) || !unet.Any(tensor => tensor.Name == "conv_in.weight"))
            throw new MuralException($"{source.Path} lacks the UNet's first convolution; the file is damaged or of an unknown model.");
        return new SingleFileCheckpoint(source, family, places.ToDictionary(pair => pair.Key, pair => new ComponentSource(source, pair.Key, pair.Value)), unused);
    }

    /// <summary>Closes the file.</summary>
    public void Dispose() => Source.Dispose();
}
