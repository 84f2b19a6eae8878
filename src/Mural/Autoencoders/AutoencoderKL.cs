using Mural.Checkpoints;
using Mural.Layers;
using Mural.Runtime;
using TorchSharp;
using static TorchSharp.torch;

namespace Mural.Autoencoders;

/// <summary>
/// The autoencoder of Stable Diffusion: pictures to latents an eighth of their sides and back (spec 3.1).
/// The input's type is the type of the computation, whatever type the weights are held in; everything is differentiable.
/// </summary>
public sealed partial class AutoencoderKL : nn.Module<Tensor, Tensor>
{
    private readonly AutoencoderInput _input = new();
    private readonly Encoder _encoder;
    private readonly Decoder _decoder;
    private readonly Conv2d? _quantConv;
    private readonly Conv2d? _postQuantConv;

    /// <summary>Builds an untrained autoencoder with weights initialised as PyTorch's layers are.</summary>
    /// <param name="config">Its architecture.</param>
    /// <param name="type">Type that the weights are held in.</param>
    /// <param name="device">Where the parameters live, or null for the CPU.</param>
    /// <exception cref="MuralException">The config's values are impossible.</exception>
    public AutoencoderKL(AutoencoderConfig config, ScalarType type = ScalarType.Float32, Device? device = null)
        : this(config, new LayerFactory(type, Initialize: true, device))
    {
    }

    internal AutoencoderKL(AutoencoderConfig config, LayerFactory layers) : base(nameof(AutoencoderKL))
    {
        ArgumentNullException.ThrowIfNull(config);
        config.Validate();
        Config = config;
        _encoder = this.Register("encoder", new Encoder(config, layers));
        _decoder = this.Register("decoder", new Decoder(config, layers));
        int moments = 2 * config.LatentChannels;
        if (config.UseQuantConv) _quantConv = this.Register("quant_conv", layers.Convolution(moments, moments, 1));
        if (config.UsePostQuantConv) _postQuantConv = this.Register("post_quant_conv", layers.Convolution(config.LatentChannels, config.LatentChannels, 1));
    }

    /// <summary>The architecture.</summary>
    public AutoencoderConfig Config { get; }

    /// <summary>
    /// Opens a folder as diffusers keeps an autoencoder in: <c>config.json</c> and <c>diffusion_pytorch_model.safetensors</c>, which may be in shards, of a variant such as
    /// fp16, or a <c>.bin</c> file.
    /// </summary>
    /// <param name="folder">The folder.</param>
    /// <param name="type">Type to hold the weights in: the one that <see cref="PrepareForInference"/> will get, or float32 to train.</param>
    /// <param name="variant">The variant wanted where there are several, or null for the plain one.</param>
    /// <param name="device">Where the parameters live, or null for the CPU.</param>
    /// <exception cref="MuralException">A file is missing or malformed, or the weights do not fit the config.</exception>
    public static AutoencoderKL FromFolder(string folder, ScalarType type = ScalarType.Float32, string? variant = null, Device? device = null)
    {
        var autoencoder = new AutoencoderKL(AutoencoderConfig.Read(folder), new LayerFactory(type, Initialize: false, device));
        return ModelFolder.Loaded(autoencoder, folder, autoencoder.Load, variant);
    }

    /// <summary>
    /// Replaces the weights by a checkpoint's, which may have diffusers' names of any age or those of a single-file checkpoint (spec 3.2, 8.3).
    /// </summary>
    /// <param name="source">A checkpoint of an autoencoder alone, or of a whole single-file model, whose other tensors are left out.</param>
    /// <exception cref="CheckpointMismatchException">The checkpoint does not fit; nothing was changed.</exception>
    public void Load(ITensorSource source)
    {
        ArgumentNullException.ThrowIfNull(source);
        _input.RequireWeights("loaded into");
        ModuleWeights.Load(this, source, AutoencoderKeys.Renaming(source.Tensors.Keys, Config.BlockOutChannels.Count), ModelFolder.SqueezeConvolution);
    }

    /// <summary>Writes the folder that <see cref="FromFolder"/> and diffusers read.</summary>
    /// <param name="folder">The folder, created when missing.</param>
    /// <param name="type">The type to hold the weights in, or null for their own.</param>
    /// <exception cref="MuralException">A file cannot be written, or the autoencoder was made ready for inference.</exception>
    public void Save(string folder, ScalarType? type = null)
    {
        _input.RequireWeights("saved");
        ModelFolder.Save(this, Config.ToJson(), folder, type);
    }

    /// <summary>
    /// Makes the autoencoder ready for inference only: its weights are held once, in the type and layout that run fastest. It cannot be trained, saved or
    /// moved afterwards, and takes inputs of that type only.
    /// </summary>
    /// <param name="kernels">Hand-written kernels with packed weights, or plain operators.</param>
    /// <param name="type">Type of the computation.</param>
    /// <exception cref="MuralException">It was made ready before.</exception>
    public void PrepareForInference(KernelSet kernels, ScalarType type) => _input.Prepare(this, kernels, type);

    /// <summary>The distribution of a picture's latent, not yet scaled.</summary>
    /// <param name="image">Values from -1 to 1, <c>[B, in, H, W]</c>; the latent's sides are <c>floor(H / 8)</c> and <c>floor(W / 8)</c>.</param>
    /// <param name="tiles">Encode in tiles where the picture is larger than one; null for the whole picture.</param>
    /// <remarks>A float16 run whose result is not finite is repeated in float32 (spec 3.4).</remarks>
    /// <exception cref="MuralException">The picture has another number of channels or is smaller than one latent position, or the tiles do not suit this autoencoder.</exception>
    public DiagonalGaussian Encode(Tensor image, TileOptions? tiles = null)
    {
        using DisposeScope scope = NewDisposeScope();
        return new DiagonalGaussian(EncodeMoments(image, tiles)).MoveToOuterDisposeScope();
    }

    /// <summary>The picture of a latent, about -1 to 1 and not clamped, <c>[B, out, 8 h, 8 w]</c>.</summary>
    /// <param name="latent">A latent that is not scaled (see <see cref="UnscaleLatent"/>), <c>[B, latent, h, w]</c>.</param>
    /// <param name="tiles">Decode in tiles where the picture is larger than one; null for the whole latent.</param>
    /// <remarks>A float16 run whose result is not finite is repeated in float32 (spec 3.4).</remarks>
    /// <exception cref="MuralException">The latent has another number of channels, or the tiles do not suit this autoencoder.</exception>
    public Tensor Decode(Tensor latent, TileOptions? tiles = null)
    {
        using DisposeScope scope = NewDisposeScope();
        _input.Require(latent, "latent", Config.LatentChannels, 1);
        return Finite(latent, map => DecodeOnce(map, tiles)).MoveToOuterDisposeScope();
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
        using DisposeScope scope = NewDisposeScope();
        if (Config.LatentsMean is not null && Config.LatentsStandardDeviation is not null)
            return ((latent - PerChannel(Config.LatentsMean, latent)) * Config.ScalingFactor / PerChannel(Config.LatentsStandardDeviation, latent)).MoveToOuterDisposeScope();
        return ((latent - (Config.ShiftFactor ?? 0)) * Config.ScalingFactor).MoveToOuterDisposeScope();
    }

    /// <summary>The inverse of <see cref="ScaleLatent"/>, <c>[B, latent, h, w]</c>.</summary>
    public Tensor UnscaleLatent(Tensor latent)
    {
        using DisposeScope scope = NewDisposeScope();
        if (Config.LatentsMean is not null && Config.LatentsStandardDeviation is not null)
            return (latent * PerChannel(Config.LatentsStandardDeviation, latent) / Config.ScalingFactor + PerChannel(Config.LatentsMean, latent)).MoveToOuterDisposeScope();
        return (latent / Config.ScalingFactor + (Config.ShiftFactor ?? 0)).MoveToOuterDisposeScope();
    }

    /// <summary>Mean and unclamped log variance along the channels, <c>[B, 2 latent, h, w]</c>.</summary>
    internal Tensor EncodeMoments(Tensor image, TileOptions? tiles = null)
    {
        using DisposeScope scope = NewDisposeScope();
        _input.Require(image, "picture", Config.InChannels, Config.Downscale);
        return Finite(image, map => EncodeOnce(map, tiles)).MoveToOuterDisposeScope();
    }

    private Tensor EncodeOnce(Tensor image, TileOptions? tiles)
    {
        if (tiles is null) return EncodeWhole(image);
        (int side, int latentSide) = Sides(tiles);
        if (!TileOptions.Cuts(image.shape[2], image.shape[3], side)) return EncodeWhole(image);
        int blend = (int)(latentSide * tiles.Overlap);
        return BlendedTiles.Map(image, side, (int)(side * (1 - tiles.Overlap)), blend, latentSide - blend, Config.Downscale, EncodeWhole);
    }

    private Tensor DecodeOnce(Tensor latent, TileOptions? tiles)
    {
        if (tiles is null) return DecodeWhole(latent);
        (int side, int latentSide) = Sides(tiles);
        if (!TileOptions.Cuts(latent.shape[2], latent.shape[3], latentSide)) return DecodeWhole(latent);
        int blend = (int)(side * tiles.Overlap);
        return BlendedTiles.Map(latent, latentSide, (int)(latentSide * (1 - tiles.Overlap)), blend, side - blend, 1, DecodeWhole);
    }

    private Tensor EncodeWhole(Tensor image)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor moments = _encoder.forward(image);
        return (_quantConv?.forward(moments) ?? moments).contiguous().MoveToOuterDisposeScope();
    }

    private Tensor DecodeWhole(Tensor latent)
    {
        using DisposeScope scope = NewDisposeScope();
        return _decoder.forward(_postQuantConv?.forward(latent) ?? latent).contiguous().MoveToOuterDisposeScope();
    }

    private static Tensor Finite(Tensor input, Func<Tensor, Tensor> run)
    {
        Tensor output = run(input);
        if (input.dtype != ScalarType.Float16 || output.isfinite().all().item<bool>()) return output;
        return run(input.to(ScalarType.Float32)).to(ScalarType.Float16);
    }

    // Tiles in pixels and in latent positions; both must be cut at the same places, or the parts would not fit together.
    private (int Side, int LatentSide) Sides(TileOptions tiles)
    {
        tiles.Validate(Config.Downscale);
        int side = tiles.Side, latentSide = side / Config.Downscale;
        int stride = (int)(side * (1 - tiles.Overlap)), latentStride = (int)(latentSide * (1 - tiles.Overlap));
        bool fits = latentStride > 0 && latentStride * Config.Downscale == side - (int)(side * tiles.Overlap)
            && stride == (latentSide - (int)(latentSide * tiles.Overlap)) * Config.Downscale;
        return fits ? (side, latentSide) : throw new MuralException(
            $"Tiles of {side} pixels with an overlap of {tiles.Overlap} do not fall on whole latent positions of {Config.Downscale} pixels; "
            + $"choose a side whose overlap is a multiple of {Config.Downscale}.");
    }

    private static Tensor PerChannel(IReadOnlyList<double> values, Tensor like) =>
        tensor(values.ToArray(), [1, values.Count, 1, 1], dtype: like.dtype, device: like.device);
}
