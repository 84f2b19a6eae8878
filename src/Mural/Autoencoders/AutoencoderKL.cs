using Mural.Checkpoints;
using Mural.Layers;
using static TorchSharp.torch;

namespace Mural.Autoencoders;

/// <summary>
/// The autoencoder of Stable Diffusion: pictures to latents an eighth of their sides and back (spec 3.1).
/// The input's type is the type of the computation, whatever type the weights are held in; everything is differentiable.
/// </summary>
public sealed class AutoencoderKL : nn.Module<Tensor, Tensor>
{
    private readonly Encoder _encoder;
    private readonly Decoder _decoder;
    private readonly Conv2d? _quantConv;
    private readonly Conv2d? _postQuantConv;

    /// <summary>Builds the autoencoder with weights initialised as PyTorch's layers are.</summary>
    /// <exception cref="MuralException">The config's values are impossible.</exception>
    public AutoencoderKL(AutoencoderConfig config) : base(nameof(AutoencoderKL))
    {
        ArgumentNullException.ThrowIfNull(config);
        config.Validate();
        Config = config;
        _encoder = this.Register("encoder", new Encoder(config));
        _decoder = this.Register("decoder", new Decoder(config));
        int moments = 2 * config.LatentChannels;
        if (config.UseQuantConv) _quantConv = this.Register("quant_conv", new Conv2d(moments, moments, 1));
        if (config.UsePostQuantConv) _postQuantConv = this.Register("post_quant_conv", new Conv2d(config.LatentChannels, config.LatentChannels, 1));
    }

    /// <summary>The architecture.</summary>
    public AutoencoderConfig Config { get; }

    /// <summary>Opens a folder as diffusers keeps an autoencoder in: <c>config.json</c> and <c>diffusion_pytorch_model.safetensors</c>.</summary>
    /// <param name="folder">The folder.</param>
    /// <exception cref="MuralException">A file is missing or malformed, or the weights do not fit the config.</exception>
    public static AutoencoderKL FromFolder(string folder)
    {
        var autoencoder = new AutoencoderKL(AutoencoderConfig.Read(folder));
        using SafetensorsFile weights = AutoencoderFiles.OpenWeights(folder);
        autoencoder.Load(weights);
        return autoencoder;
    }

    /// <summary>
    /// Replaces the weights by a checkpoint's, which may have diffusers' names of any age or those of a single-file checkpoint (spec 3.2, 8.3).
    /// </summary>
    /// <param name="source">A checkpoint of an autoencoder alone.</param>
    /// <exception cref="CheckpointMismatchException">The checkpoint does not fit; nothing was changed.</exception>
    public void Load(ITensorSource source)
    {
        ArgumentNullException.ThrowIfNull(source);
        ModuleWeights.Load(this, source, name => AutoencoderKeys.Current(name, Config.BlockOutChannels.Count), AutoencoderFiles.SqueezeConvolution);
    }

    /// <summary>Writes the folder that <see cref="FromFolder"/> and diffusers read.</summary>
    /// <param name="folder">The folder, created when missing.</param>
    /// <param name="type">The type to hold the weights in, or null for their own.</param>
    /// <exception cref="MuralException">A file cannot be written.</exception>
    public void Save(string folder, ScalarType? type = null) => AutoencoderFiles.Save(this, Config.ToJson(), folder, type);

    /// <summary>The distribution of a picture's latent, not yet scaled.</summary>
    /// <param name="image">Values from -1 to 1, <c>[B, in, H, W]</c>; the latent's sides are <c>floor(H / 8)</c> and <c>floor(W / 8)</c>.</param>
    /// <exception cref="MuralException">The picture has another number of channels or is smaller than one latent position.</exception>
    public DiagonalGaussian Encode(Tensor image)
    {
        using var scope = NewDisposeScope();
        return new DiagonalGaussian(EncodeMoments(image)).MoveToOuterDisposeScope();
    }

    /// <summary>The picture of a latent, about -1 to 1 and not clamped, <c>[B, out, 8 h, 8 w]</c>.</summary>
    /// <param name="latent">A latent that is not scaled (see <see cref="UnscaleLatent"/>), <c>[B, latent, h, w]</c>.</param>
    /// <remarks>A float16 run whose result is not finite is repeated in float32 (spec 3.4).</remarks>
    /// <exception cref="MuralException">The latent has another number of channels.</exception>
    public Tensor Decode(Tensor latent)
    {
        using var scope = NewDisposeScope();
        RequireMap(latent, "latent", Config.LatentChannels, 1);
        Tensor image = DecodeWhole(latent);
        if (latent.dtype == ScalarType.Float16 && !image.isfinite().all().item<bool>())
            image = DecodeWhole(latent.to(ScalarType.Float32)).to(ScalarType.Float16);
        return image.MoveToOuterDisposeScope();
    }

    /// <summary>Encodes to the most likely latent and decodes it: the reconstruction, <c>[B, out, H', W']</c> with sides rounded down to multiples of 8.</summary>
    /// <param name="image">Values from -1 to 1, <c>[B, in, H, W]</c>.</param>
    public override Tensor forward(Tensor image)
    {
        using DiagonalGaussian posterior = Encode(image);
        using Tensor latent = posterior.Mode();
        return Decode(latent);
    }

    /// <summary>An encoded latent as a denoiser sees it: shifted, normalised and scaled by the config (spec 3.3), <c>[B, latent, h, w]</c>.</summary>
    public Tensor ScaleLatent(Tensor latent)
    {
        using var scope = NewDisposeScope();
        if (Config.LatentsMean is not null && Config.LatentsStandardDeviation is not null)
            return ((latent - PerChannel(Config.LatentsMean, latent)) * Config.ScalingFactor / PerChannel(Config.LatentsStandardDeviation, latent)).MoveToOuterDisposeScope();
        return ((latent - (Config.ShiftFactor ?? 0)) * Config.ScalingFactor).MoveToOuterDisposeScope();
    }

    /// <summary>The inverse of <see cref="ScaleLatent"/>, <c>[B, latent, h, w]</c>.</summary>
    public Tensor UnscaleLatent(Tensor latent)
    {
        using var scope = NewDisposeScope();
        if (Config.LatentsMean is not null && Config.LatentsStandardDeviation is not null)
            return (latent * PerChannel(Config.LatentsStandardDeviation, latent) / Config.ScalingFactor + PerChannel(Config.LatentsMean, latent)).MoveToOuterDisposeScope();
        return (latent / Config.ScalingFactor + (Config.ShiftFactor ?? 0)).MoveToOuterDisposeScope();
    }

    /// <summary>Mean and unclamped log variance along the channels, <c>[B, 2 latent, h, w]</c>.</summary>
    internal Tensor EncodeMoments(Tensor image)
    {
        using var scope = NewDisposeScope();
        RequireMap(image, "picture", Config.InChannels, Config.Downscale);
        Tensor moments = _encoder.forward(image);
        return (_quantConv?.forward(moments) ?? moments).MoveToOuterDisposeScope();
    }

    private Tensor DecodeWhole(Tensor latent) => _decoder.forward(_postQuantConv?.forward(latent) ?? latent).contiguous();

    private static Tensor PerChannel(IReadOnlyList<double> values, Tensor like) =>
        tensor(values.ToArray(), [1, values.Count, 1, 1], dtype: like.dtype, device: like.device);

    private static void RequireMap(Tensor map, string what, int channels, int side)
    {
        ArgumentNullException.ThrowIfNull(map);
        if (map.dim() != 4 || map.shape[1] != channels || map.shape[2] < side || map.shape[3] < side)
            throw new MuralException($"A {what} for this autoencoder is [batch, {channels}, height, width] with sides of at least {side}, but [{string.Join(", ", map.shape)}] was given.");
    }
}
