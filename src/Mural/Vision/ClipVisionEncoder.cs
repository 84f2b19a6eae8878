using Mural.Checkpoints;
using Mural.Layers;
using Mural.Layers.Clip;
using Mural.Runtime;
using TorchSharp;
using static TorchSharp.torch;
using LayerNorm = Mural.Layers.LayerNorm;
using Linear = Mural.Layers.Linear;

namespace Mural.Vision;

/// <summary>CLIP's image encoder, which IP-Adapter looks at pictures through (spec 7.2).</summary>
internal sealed class ClipVisionEncoder : NamedModule
{
    private readonly ClipVisionEmbeddings _embeddings;
    private readonly ClipTransformer _transformer;
    private readonly LayerNorm _firstNorm, _lastNorm;
    private readonly Linear _projection;

    internal ClipVisionEncoder(ClipVisionConfig config, LayerFactory layers) : base(nameof(ClipVisionEncoder))
    {
        config.Validate();
        Config = config;
        int width = config.Transformer.Width;
        _embeddings = this.RegisterAt("vision_model.embeddings", new ClipVisionEmbeddings(config, layers));
        // The checkpoint's spelling.
        _firstNorm = this.RegisterAt("vision_model.pre_layrnorm", new LayerNorm(width, config.Transformer.NormEpsilon, layers.Device));
        _transformer = this.RegisterAt("vision_model.encoder", new ClipTransformer(config.Transformer, causal: false, layers));
        _lastNorm = this.RegisterAt("vision_model.post_layernorm", new LayerNorm(width, config.Transformer.NormEpsilon, layers.Device));
        _projection = this.Register("visual_projection", layers.Linear(width, config.ProjectionSize, bias: false));
    }

    internal ClipVisionConfig Config { get; }

    /// <summary>Which files it was opened from; empty where it was not.</summary>
    internal string Origin { get; private init; } = "";

    /// <summary>Opens a folder with <c>config.json</c> and <c>model.safetensors</c>, or its other forms.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="type">Type of the weights in memory; they go straight into it from the file.</param>
    /// <param name="variant">The variant wanted where there are several, or null for the plain one.</param>
    /// <param name="device">Where the parameters live, or null for the CPU.</param>
    /// <exception cref="MuralException">A file is missing or malformed, or the weights do not fit the config.</exception>
    internal static ClipVisionEncoder FromFolder(string folder, ScalarType type = ScalarType.Float32, string? variant = null, Device? device = null)
    {
        var encoder = new ClipVisionEncoder(ClipVisionConfig.Read(folder), new LayerFactory(type, Initialize: false, device)) { Origin = FileMark.Of(folder) };
        return ModelFolder.Loaded(encoder, () =>
        {
            using ITensorSource source = ClipFiles.OpenWeights(folder, variant);
            ModuleWeights.Load(encoder, source, Current);
        });
    }

    /// <summary>Makes it ready for inference only: weights are held once, in the type and layout that run fastest.</summary>
    internal void PrepareForInference(KernelSet kernels, ScalarType type) => this.Freeze(kernels, type);

    /// <summary>One vector for each picture, in the space that CLIP shares with text. Shape: <c>[B, P]</c>.</summary>
    /// <param name="pixels">What <see cref="ClipPicture"/> gives, <c>[B, 3, S, S]</c>.</param>
    internal Tensor Embed(Tensor pixels)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor whole = Run(pixels, _transformer.Count).select(1, 0);
        return _projection.forward(_lastNorm.forward(whole)).MoveToOuterDisposeScope();
    }

    /// <summary>The tokens after all blocks but the last <paramref name="fromEnd"/>, without norm, the whole picture's first. Shape: <c>[B, 1 + patches, D]</c>.</summary>
    /// <param name="pixels">What <see cref="ClipPicture"/> gives, <c>[B, 3, S, S]</c>.</param>
    /// <param name="fromEnd">Blocks to leave out.</param>
    internal Tensor HiddenStates(Tensor pixels, int fromEnd = 1) => Run(pixels, _transformer.Count - fromEnd);

    private Tensor Run(Tensor pixels, int blocks)
    {
        using DisposeScope scope = NewDisposeScope();
        if (pixels.dim() != 4 || pixels.shape[1] != Config.Channels || pixels.shape[2] != Config.ImageSize || pixels.shape[3] != Config.ImageSize)
            throw new MuralException($"The image encoder sees [batch, {Config.Channels}, {Config.ImageSize}, {Config.ImageSize}], "
                + $"but [{string.Join(", ", pixels.shape)}] was given; prepare the picture for this encoder.");
        return _transformer.Run(_firstNorm.forward(_embeddings.Forward(pixels)), 0, blocks).MoveToOuterDisposeScope();
    }

    // What a whole CLIP model's file holds beside its image encoder, and a list of the numbers of all positions, is left out.
    private static string? Current(string stored) =>
        stored.EndsWith(".position_ids", StringComparison.Ordinal) || stored.StartsWith("text_", StringComparison.Ordinal) || stored == "logit_scale" ? null : stored;
}
