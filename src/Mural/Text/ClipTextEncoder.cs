using Mural.Checkpoints;
using Mural.Layers;
using Mural.Layers.Clip;
using Mural.Runtime;
using TorchSharp;
using static TorchSharp.torch;
using LayerNorm = Mural.Layers.LayerNorm;
using Linear = Mural.Layers.Linear;

namespace Mural.Text;

/// <summary>What a text encoder says of its windows.</summary>
/// <param name="Context">A vector for each token. Shape: <c>[B, L, D]</c>.</param>
/// <param name="Pooled">One vector for the whole, projected where the encoder has a projection; null where it was not asked for. Shape: <c>[B, P]</c>.</param>
internal readonly record struct EncodedWindows(Tensor Context, Tensor? Pooled);

/// <summary>CLIP's text encoder, with or without projection (spec 4.1 to 4.3).</summary>
internal sealed class ClipTextEncoder : NamedModule
{
    private readonly ClipTextEmbeddings _embeddings;
    private readonly ClipTransformer _transformer;
    private readonly LayerNorm _finalNorm;
    private readonly Linear? _projection;
    private readonly InferenceState _inference = new("text encoder");
    private readonly ScalarType _type;

    internal ClipTextEncoder(ClipTextConfig config, LayerFactory layers) : base(nameof(ClipTextEncoder))
    {
        config.Validate();
        Config = config;
        _type = layers.Type;
        _embeddings = this.RegisterAt("text_model.embeddings", new ClipTextEmbeddings(config, layers));
        _transformer = this.RegisterAt("text_model.encoder", new ClipTransformer(config.Transformer, causal: true, layers));
        _finalNorm = this.RegisterAt("text_model.final_layer_norm", new LayerNorm(config.Transformer.Width, config.Transformer.NormEpsilon, layers.Device));
        if (config.ProjectionSize is { } size)
            _projection = this.Register("text_projection", layers.Linear(config.Transformer.Width, size, bias: false));
    }

    internal ClipTextConfig Config { get; }

    /// <summary>Bytes of its weights, about: attention's four products and the feed-forward's two in each layer, and a vector for each word and position.</summary>
    internal double ApproximateBytes => _type.ElementSize() * (Config.Transformer.Layers
        * (4.0 * Config.Transformer.Width + 2.0 * Config.Transformer.Inner) * Config.Transformer.Width
        + (double)(Config.VocabularySize + Config.Positions) * Config.Transformer.Width);

    /// <summary>One more than the highest id it knows, added words included.</summary>
    internal int TokenCount => _embeddings.Count;

    /// <summary>Where it runs, and expects ids.</summary>
    internal Device Device => _embeddings.Device;

    /// <summary>Opens a folder with <c>config.json</c> and <c>model.safetensors</c>, or its other forms.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="type">Type of the weights in memory; they go straight into it from the file.</param>
    /// <param name="variant">The variant wanted where there are several, or null for the plain one.</param>
    /// <param name="device">Where the parameters live, or null for the CPU.</param>
    /// <exception cref="MuralException">A file is missing or malformed, or the weights do not fit the config.</exception>
    internal static ClipTextEncoder FromFolder(string folder, ScalarType type = ScalarType.Float32, string? variant = null, Device? device = null)
    {
        ClipTextConfig config = ClipTextConfig.Read(folder);
        using ITensorSource source = ClipFiles.OpenWeights(folder, variant);
        return FromSource(source, config, type, device);
    }

    /// <summary>Takes a text encoder from an open checkpoint of its names (<see cref="ClipTextKeys"/>).</summary>
    /// <exception cref="CheckpointMismatchException">The weights do not fit the config.</exception>
    internal static ClipTextEncoder FromSource(ITensorSource source, ClipTextConfig config, ScalarType type = ScalarType.Float32, Device? device = null)
    {
        var encoder = new ClipTextEncoder(config, new LayerFactory(type, Initialize: false, device));
        return ModelFolder.Loaded(encoder, () => ModuleWeights.Load(encoder, source, name => ClipTextKeys.Current(name, config.ProjectionSize is not null)));
    }

    /// <summary>Makes it ready for inference only: weights are held once, in the type and layout that run fastest. Words can still be added.</summary>
    /// <exception cref="MuralException">It was made ready before.</exception>
    internal void PrepareForInference(KernelSet kernels, ScalarType type) => _inference.Prepare(this, kernels, type);

    /// <summary>Writes the folder that <see cref="FromFolder"/>, diffusers and transformers read. Added words are not part of it.</summary>
    /// <param name="folder">The folder, created when missing.</param>
    /// <param name="type">The type to write the weights in, or null for their own.</param>
    /// <exception cref="MuralException">A file cannot be written, or the encoder was made ready for inference.</exception>
    internal void Save(string folder, ScalarType? type = null)
    {
        _inference.RequireWeights("saved");
        ClipFiles.Save(this, Config.ToJson(), folder, type);
    }

    /// <summary>Adds the vectors of a word <c>[n, D]</c> and returns the first of their ids.</summary>
    /// <exception cref="MuralException">The vectors have another width.</exception>
    internal int AddVectors(Tensor vectors)
    {
        if (vectors.dim() != 2 || vectors.shape[1] != Config.Transformer.Width)
            throw new MuralException($"Vectors of shape [{string.Join(", ", vectors.shape)}] were given to a text encoder of width {Config.Transformer.Width}; "
                + $"use a textual inversion made for this model.");
        int first = _embeddings.Count;
        _embeddings.Add(vectors);
        return first;
    }

    /// <summary>Encodes windows of tokens.</summary>
    /// <param name="ids">Whole numbers. Shape: <c>[B, L]</c>, L the number of positions.</param>
    /// <param name="state">The layer that gives the context; no later one is run unless the pooled vector is wanted.</param>
    /// <param name="pooled">Whether the pooled vector is wanted too: that of the first end token after all layers.</param>
    /// <exception cref="MuralException">There are fewer layers than <paramref name="state"/> leaves out.</exception>
    internal EncodedWindows Encode(Tensor ids, HiddenState state, bool pooled)
    {
        using DisposeScope scope = NewDisposeScope();
        int layers = _transformer.Count - state.FromEnd;
        if (layers < 0)
            throw new MuralException($"The last {state.FromEnd} layers of the text encoder were to be left out, but it has {_transformer.Count}; skip fewer.");
        Tensor indices = ids.to(ScalarType.Int64);
        Tensor hidden = _transformer.Run(_embeddings.Forward(indices), 0, layers);
        Tensor context = state.Normalized ? _finalNorm.forward(hidden) : hidden;
        Tensor? vector = pooled ? Pool(_transformer.Run(hidden, layers, _transformer.Count), indices) : null;
        return new EncodedWindows(context.MoveToOuterDisposeScope(), vector?.MoveToOuterDisposeScope());
    }

    // The norm is of each token alone, so only the one that is pooled needs it.
    private Tensor Pool(Tensor hidden, Tensor ids)
    {
        Tensor ends = (ids == Config.EndToken).to(ScalarType.Int64).argmax(1).view(-1, 1, 1).expand(-1, 1, hidden.shape[2]);
        Tensor last = _finalNorm.forward(hidden.gather(1, ends).squeeze(1));
        return _projection?.forward(last) ?? last;
    }
}
