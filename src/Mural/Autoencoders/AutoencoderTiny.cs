using Mural.Checkpoints;
using Mural.Layers;
using Mural.Runtime;
using TorchSharp;
using static TorchSharp.torch;

namespace Mural.Autoencoders;

/// <summary>
/// TAESD, the tiny autoencoder for previews (spec 3.6). Its latents are those a denoiser works on, already scaled. The input's type is the type of the computation.
/// </summary>
public sealed partial class AutoencoderTiny : nn.Module<Tensor, Tensor>
{
    private readonly AutoencoderInput _input = new();
    private readonly TinyHalf _encoder, _decoder;

    /// <summary>Builds an untrained autoencoder with weights initialised as PyTorch's layers are.</summary>
    /// <param name="config">Its architecture.</param>
    /// <param name="type">Type that the weights are held in.</param>
    /// <param name="device">Where the parameters live, or null for the CPU.</param>
    /// <exception cref="MuralException">The config's values are impossible.</exception>
    public AutoencoderTiny(AutoencoderTinyConfig config, ScalarType type = ScalarType.Float32, Device? device = null)
        : this(config, new LayerFactory(type, Initialize: true, device))
    {
    }

    internal AutoencoderTiny(AutoencoderTinyConfig config, LayerFactory layers) : base(nameof(AutoencoderTiny))
    {
        ArgumentNullException.ThrowIfNull(config);
        config.Validate();
        Config = config;
        _encoder = this.Register("encoder", TinyHalf.Encoder(config, layers));
        _decoder = this.Register("decoder", TinyHalf.Decoder(config, layers));
    }

    /// <summary>The architecture.</summary>
    public AutoencoderTinyConfig Config { get; }

    /// <inheritdoc cref="AutoencoderKL.FromFolder"/>
    public static AutoencoderTiny FromFolder(string folder, ScalarType type = ScalarType.Float32, string? variant = null, Device? device = null)
    {
        var autoencoder = new AutoencoderTiny(AutoencoderTinyConfig.Read(folder), new LayerFactory(type, Initialize: false, device));
        return ModelFolder.Loaded(autoencoder, folder, autoencoder.Load, variant);
    }

    /// <summary>Replaces the weights by a checkpoint's that holds both halves, under diffusers' or the original names.</summary>
    /// <exception cref="CheckpointMismatchException">The checkpoint does not fit; nothing was changed.</exception>
    public void Load(ITensorSource source)
    {
        ArgumentNullException.ThrowIfNull(source);
        _input.RequireWeights("loaded into");
        ModuleWeights.Load(this, source, TinyKeys.Current);
    }

    /// <summary>Replaces the weights by those of the two original files <c>taesd_encoder</c> and <c>taesd_decoder</c>.</summary>
    /// <param name="encoder">Names such as <c>0.weight</c>.</param>
    /// <param name="decoder">Names such as <c>1.weight</c>.</param>
    /// <exception cref="CheckpointMismatchException">A file does not fit; if it is the decoder's, the encoder was replaced already.</exception>
    public void Load(ITensorSource encoder, ITensorSource decoder)
    {
        ArgumentNullException.ThrowIfNull(encoder);
        ArgumentNullException.ThrowIfNull(decoder);
        _input.RequireWeights("loaded into");
        ModuleWeights.Load(_encoder, encoder, name => TinyKeys.OfHalf(name, decoder: false));
        ModuleWeights.Load(_decoder, decoder, name => TinyKeys.OfHalf(name, decoder: true));
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

    /// <inheritdoc cref="AutoencoderKL.PrepareForInference"/>
    public void PrepareForInference(KernelSet kernels, ScalarType type) => _input.Prepare(this, kernels, type);

    /// <summary>The latent of a picture, <c>[B, latent, h, w]</c>.</summary>
    /// <param name="image">Values from -1 to 1, <c>[B, in, H, W]</c>; the latent's sides are a power of two smaller, rounded up.</param>
    /// <param name="tiles">
    /// Encode in tiles, whose sides and whose picture's sides must be multiples of <see cref="AutoencoderTinyConfig.Downscale"/>; null for the whole picture.
    /// </param>
    /// <exception cref="MuralException">The picture has another shape, or does not suit the tiles.</exception>
    public Tensor Encode(Tensor image, TileOptions? tiles = null)
    {
        _input.Require(image, "picture", Config.InChannels, 1);
        if (tiles is null) return EncodeWhole(image);
        int downscale = Config.Downscale;
        tiles.Validate(downscale);
        if (image.shape[2] % downscale != 0 || image.shape[3] % downscale != 0)
            throw new MuralException($"A picture of {image.shape[3]}x{image.shape[2]} cannot be encoded in tiles; resize it to multiples of {downscale}.");
        return MaskedTiles.Map(image, tiles.Side, (int)(tiles.Side * tiles.Overlap), Config.LatentChannels, pixel => pixel / downscale, EncodeWhole);
    }

    /// <summary>The picture of a latent, about -1 to 1 and not clamped, <c>[B, out, H, W]</c>.</summary>
    /// <param name="latent">As a denoiser gives it, <c>[B, latent, h, w]</c>.</param>
    /// <param name="tiles">Decode in tiles; null for the whole latent.</param>
    /// <exception cref="MuralException">The latent has another shape, or the tiles do not suit this autoencoder.</exception>
    public Tensor Decode(Tensor latent, TileOptions? tiles = null)
    {
        _input.Require(latent, "latent", Config.LatentChannels, 1);
        if (tiles is null) return DecodeWhole(latent);
        int downscale = Config.Downscale, side = tiles.Side / downscale;
        tiles.Validate(downscale);
        return MaskedTiles.Map(latent, side, (int)(side * tiles.Overlap), Config.OutChannels, position => position * downscale, DecodeWhole);
    }

    /// <summary>Encodes and decodes: the reconstruction, <c>[B, out, H, W]</c>.</summary>
    /// <param name="image">Values from -1 to 1, <c>[B, in, H, W]</c>.</param>
    public override Tensor forward(Tensor image)
    {
        using Tensor latent = Encode(image);
        return Decode(latent);
    }

    /// <summary>Latents as numbers from 0 to 1, which 8 bits can hold.</summary>
    public Tensor ToUnitRange(Tensor latent)
    {
        ArgumentNullException.ThrowIfNull(latent);
        using DisposeScope scope = NewDisposeScope();
        return (latent / (2 * Config.LatentMagnitude) + Config.LatentShift).clamp(0, 1).MoveToOuterDisposeScope();
    }

    /// <summary>The inverse of <see cref="ToUnitRange"/>.</summary>
    public Tensor FromUnitRange(Tensor unit)
    {
        ArgumentNullException.ThrowIfNull(unit);
        using DisposeScope scope = NewDisposeScope();
        return ((unit - Config.LatentShift) * (2 * Config.LatentMagnitude)).MoveToOuterDisposeScope();
    }

    private Tensor EncodeWhole(Tensor image)
    {
        using DisposeScope scope = NewDisposeScope();
        return _encoder.forward(ToNetwork(image)).contiguous().MoveToOuterDisposeScope();
    }

    private Tensor DecodeWhole(Tensor latent)
    {
        using DisposeScope scope = NewDisposeScope();
        return FromNetwork(_decoder.forward(Bounded(latent))).contiguous().MoveToOuterDisposeScope();
    }

    // The network works on pictures from 0 to 1.
    private static Tensor ToNetwork(Tensor image) => (image + 1) / 2;

    private static Tensor FromNetwork(Tensor image) => image * 2 - 1;

    private static Tensor Bounded(Tensor latent) => (latent / 3).tanh() * 3;
}
