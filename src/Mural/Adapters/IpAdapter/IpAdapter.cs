using Mural.Attention;
using Mural.Checkpoints;
using Mural.Imaging;
using Mural.Layers;
using Mural.Runtime;
using Mural.UNet;
using Mural.Vision;
using TorchSharp;
using static TorchSharp.torch;

namespace Mural.Adapters;

/// <summary>
/// An IP-Adapter (spec 7.2): lets a UNet attend to a picture as it does to a text. It has a projection of the picture and keys and values for each of the UNet's
/// cross-attentions.
/// </summary>
public sealed class IpAdapter : IDisposable
{
    private const string Prefix = "ip_adapter.", KeySuffix = ".to_k_ip.weight", ValueSuffix = ".to_v_ip.weight";

    private readonly PictureProjection _projection;
    private readonly (CrossAttention Attention, Tensor Key, Tensor Value)[] _layers;
    private readonly ClipVisionEncoder? _encoder;

    private IpAdapter(string path, PictureProjection projection, (CrossAttention, Tensor, Tensor)[] layers, ClipVisionEncoder? encoder)
    {
        Path = path;
        Origin = $"{FileMark.Of(path)}\n{encoder?.Origin}";
        _projection = projection;
        _layers = layers;
        _encoder = encoder;
    }

    /// <summary>The file it was read from.</summary>
    public string Path { get; }

    /// <summary>Bytes of its weights without the image encoder's.</summary>
    internal long Bytes { get; private init; }

    /// <summary>Which files it and its image encoder were opened from.</summary>
    internal string Origin { get; }

    /// <summary>Opens an adapter's file for a UNet.</summary>
    /// <param name="path">A file as published: <c>.safetensors</c> with the prefixes <c>image_proj</c> and <c>ip_adapter</c>, or <c>.bin</c>.</param>
    /// <param name="unet">The UNet.</param>
    /// <param name="runtime">On what it runs.</param>
    /// <param name="encoder">The image encoder, which belongs to the adapter afterwards; null where only its outputs are given.</param>
    /// <exception cref="MuralException">The file is none of an IP-Adapter, or was made for another family of models or another image encoder.</exception>
    internal static IpAdapter Load(string path, UNet2DConditionModel unet, RuntimePlan runtime, ClipVisionEncoder? encoder = null)
    {
        using ITensorSource source = Checkpoint.Open(path);
        CrossAttention[] attentions = [.. unet.CrossAttentions()];
        int[] numbers = [.. source.Tensors.Keys.Where(name => name.StartsWith(Prefix, StringComparison.Ordinal) && name.EndsWith(KeySuffix, StringComparison.Ordinal))
            .Select(name => int.TryParse(name[Prefix.Length..^KeySuffix.Length], out int number) ? number : -1).Order()];
        if (numbers.Length == 0) throw new MuralException($"{path} is no IP-Adapter: it holds no keys for a UNet's attentions; name an IP-Adapter's file.");
        if (numbers.Length != attentions.Length)
            throw new MuralException($"{path} has keys for {numbers.Length} attentions, but the model's UNet has {attentions.Length}; use an IP-Adapter of the model's family.");
        PictureProjection projection = PictureProjection.Load(source, new LayerFactory(runtime.Type, Initialize: false, runtime.Device));
        try
        {
            if (encoder is not null) Require(path, projection, encoder.Config);
            long bytes = ModuleWeights.Bytes(projection);
            projection.Freeze(runtime.Kernels, runtime.Type);
            (CrossAttention, Tensor Key, Tensor Value)[] layers = ReadLayers(source, numbers, attentions, unet, runtime);
            return new IpAdapter(path, projection, layers, encoder) { Bytes = bytes + layers.Sum(layer => (layer.Key.numel() + layer.Value.numel()) * layer.Key.element_size()) };
        }
        catch
        {
            projection.Dispose();
            throw;
        }
    }

    /// <summary>Whether a checkpoint holds an adapter, by its tensors' names.</summary>
    internal static bool Is(ITensorSource source) =>
        source.Tensors.Keys.Any(name => name.StartsWith(Prefix, StringComparison.Ordinal) && name.EndsWith(KeySuffix, StringComparison.Ordinal));

    /// <summary>Whether an image encoder's folder is of the kind that an adapter's file was made for; reads names and shapes alone.</summary>
    /// <exception cref="MuralException">The file or the folder's config cannot be read.</exception>
    internal static bool Suits(string path, string encoderFolder)
    {
        using ITensorSource source = Checkpoint.Open(path);
        ClipVisionConfig encoder = ClipVisionConfig.Read(encoderFolder);
        return PictureProjection.InputOf(source) is var (tokens, width) && width == (tokens ? encoder.Transformer.Width : encoder.ProjectionSize);
    }

    /// <summary>Frees the weights, those of the image encoder too.</summary>
    public void Dispose()
    {
        _projection.Dispose();
        _encoder?.Dispose();
        foreach ((_, Tensor key, Tensor value) in _layers)
        {
            key.Dispose();
            value.Dispose();
        }
    }

    /// <summary>What the image encoder says of a picture, after what it says of no picture. Shape: <c>[2, F]</c> or <c>[2, N, F]</c>.</summary>
    internal Tensor Look(Picture picture)
    {
        using DisposeScope scope = NewDisposeScope();
        ClipVisionEncoder encoder = _encoder ?? throw new InvalidOperationException("This adapter was opened without an image encoder.");
        Tensor pixels = ClipPicture.Prepare(picture, encoder.Config.ImageSize).to(_layers[0].Key.device).to(_layers[0].Key.dtype);
        // No picture is an encoder's zeros for the base kind, and what it says of zeros for the others.
        if (_projection.TakesTokens) return encoder.HiddenStates(cat([zeros_like(pixels), pixels])).MoveToOuterDisposeScope();
        Tensor embedding = encoder.Embed(pixels);
        return cat([zeros_like(embedding), embedding]).MoveToOuterDisposeScope();
    }

    /// <summary>Tokens for the UNet. Shape: <c>[B, T, context width]</c>.</summary>
    /// <param name="features">
    /// What <see cref="Look"/> gives; or what it gives of several pictures for each text, whose tokens then stand side by side, <c>[B, P, F]</c> or <c>[B, P, N, F]</c>.
    /// </param>
    internal Tensor Project(Tensor features)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor typed = features.to(_layers[0].Key.device).to(_layers[0].Key.dtype);
        if (typed.dim() != 4) return _projection.Forward(typed).MoveToOuterDisposeScope();
        // Each picture's tokens are looked at alone.
        Tensor tokens = _projection.Forward(typed.flatten(0, 1));
        return tokens.reshape(typed.shape[0], -1, tokens.shape[2]).MoveToOuterDisposeScope();
    }

    /// <summary>Lets the UNet attend to tokens beside the prompt's.</summary>
    /// <param name="prompt">A prompt that the UNet has prepared.</param>
    /// <param name="tokens">As many as the prompt's texts. Shape: <c>[B, T, context width]</c>.</param>
    /// <param name="scale">How strongly.</param>
    internal void AddTo(PreparedPrompt prompt, Tensor tokens, double scale)
    {
        if (scale == 0) return;
        using DisposeScope scope = NewDisposeScope();
        foreach ((CrossAttention attention, Tensor key, Tensor value) in _layers)
            prompt.Add(attention, new KeysAndValues(nn.functional.linear(tokens, key), nn.functional.linear(tokens, value), scale));
    }

    private static (CrossAttention, Tensor, Tensor)[] ReadLayers(ITensorSource source, int[] numbers, CrossAttention[] attentions, UNet2DConditionModel unet, RuntimePlan runtime)
    {
        // Where a tensor does not fit, those before it go with the scope.
        using DisposeScope scope = NewDisposeScope();
        (CrossAttention, Tensor Key, Tensor Value)[] layers =
        [
            .. numbers.Zip(attentions, (number, attention) =>
                (attention, Read(source, Prefix + number + KeySuffix, attention, unet, runtime), Read(source, Prefix + number + ValueSuffix, attention, unet, runtime))),
        ];
        foreach ((_, Tensor key, Tensor value) in layers)
        {
            key.DetachFromDisposeScope();
            value.DetachFromDisposeScope();
        }
        return layers;
    }

    private static Tensor Read(ITensorSource source, string name, CrossAttention attention, UNet2DConditionModel unet, RuntimePlan runtime)
    {
        if (!source.Tensors.TryGetValue(name, out TensorEntry? entry)) throw new MuralException($"{source.Path} lacks {name}; copy the file again.");
        long[] wanted = [attention.Channels, unet.Config.CrossAttentionWidth];
        if (!entry.Shape.AsSpan().SequenceEqual(wanted))
            throw new MuralException(
                $"{source.Path} has {name} of shape {Sizes.Text(entry.Shape)}, but the model's UNet needs {Sizes.Text(wanted)}; use an IP-Adapter of the model's family.");
        using DisposeScope scope = NewDisposeScope();
        return source.Read(name, runtime.Type).to(runtime.Device).MoveToOuterDisposeScope();
    }

    private static void Require(string path, PictureProjection projection, ClipVisionConfig encoder)
    {
        int given = projection.TakesTokens ? encoder.Transformer.Width : encoder.ProjectionSize;
        if (given != projection.InputWidth)
            throw new MuralException(
                $"{path} was made for an image encoder of {projection.InputWidth} features, but the one given has {given}; use the image encoder that belongs to it.");
    }
}
