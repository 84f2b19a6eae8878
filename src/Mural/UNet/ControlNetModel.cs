using Mural.Checkpoints;
using Mural.Checkpoints.SingleFile;
using Mural.Checkpoints.StableDiffusion;
using Mural.Layers;
using Mural.Runtime;
using TorchSharp;
using static TorchSharp.torch;

namespace Mural.UNet;

/// <summary>
/// A ControlNet (spec 7.1): a copy of a UNet's way down that sees a picture such as edges, poses or depth beside the latents, and says what to add to the UNet's skips.
/// Parameter names are those of diffusers.
/// </summary>
public sealed class ControlNetModel : nn.Module
{
    private readonly UNetEncoder _encoder;
    private readonly HintEmbedding _hint;
    private readonly Conv2d[] _down;
    private readonly Conv2d _mid;
    private readonly InferenceState _inference = new("ControlNet");

    /// <summary>Builds an untrained network with weights initialised as PyTorch's layers are.</summary>
    /// <param name="config">Its architecture.</param>
    /// <param name="type">Type that the weights are held in.</param>
    /// <param name="device">Where the parameters live, or null for the CPU.</param>
    /// <exception cref="MuralException">The config's values are impossible.</exception>
    public ControlNetModel(ControlNetConfig config, ScalarType type = ScalarType.Float32, Device? device = null)
        : this(config, new LayerFactory(type, Initialize: true, device))
    {
    }

    internal ControlNetModel(ControlNetConfig config, LayerFactory layers) : base(nameof(ControlNetModel))
    {
        ArgumentNullException.ThrowIfNull(config);
        config.Validate();
        Config = config;
        _encoder = new UNetEncoder(this, config.Network, layers);
        _hint = this.Register("controlnet_cond_embedding", new HintEmbedding(config, layers));
        _down = [.. UNetEncoder.SkipChannels(config.Network).Select((channels, i) =>
            this.RegisterAt($"controlnet_down_blocks.{i}", layers.Convolution(channels, channels, 1)))];
        int mid = config.Network.BlockOutChannels[^1];
        _mid = this.Register("controlnet_mid_block", layers.Convolution(mid, mid, 1));
    }

    /// <summary>The architecture.</summary>
    public ControlNetConfig Config { get; }

    /// <summary>Which files it was opened from; one that was not is like no other.</summary>
    internal string Origin { get; private init; } = Guid.NewGuid().ToString();

    /// <summary>
    /// Opens a folder as diffusers keeps a ControlNet in: <c>config.json</c> and <c>diffusion_pytorch_model.safetensors</c>, which may be in shards, of a variant such as
    /// fp16, or a <c>.bin</c> file.
    /// </summary>
    /// <param name="folder">The folder.</param>
    /// <param name="type">Type to hold the weights in: the one that <see cref="PrepareForInference"/> will get, or float32 to train.</param>
    /// <param name="variant">The variant wanted where there are several, or null for the plain one.</param>
    /// <param name="device">Where the parameters live, or null for the CPU.</param>
    /// <exception cref="MuralException">A file is missing or malformed, or the weights do not fit the config.</exception>
    public static ControlNetModel FromFolder(string folder, ScalarType type = ScalarType.Float32, string? variant = null, Device? device = null)
    {
        var network = new ControlNetModel(ControlNetConfig.Read(folder), new LayerFactory(type, Initialize: false, device)) { Origin = FileMark.Of(folder) };
        return ModelFolder.Loaded(network, folder, network.Load, variant);
    }

    /// <summary>
    /// Opens a ControlNet in one file without a config: of the original layout (<c>control_v11p_sd15_canny.pth</c>), also together with the model that it was trained with, or
    /// of diffusers' names. Whether its residuals are averaged is read from the settings beside it, a <c>.yaml</c> file of the same name; without one, they
    /// are where the file's name ends with <c>_shuffle</c>.
    /// </summary>
    /// <param name="path">A file of safetensors or torch.save.</param>
    /// <param name="unet">The UNet of the model that it is for: what shapes do not show, such as the number of heads, is the same.</param>
    /// <param name="type">Type to hold the weights in: the one that <see cref="PrepareForInference"/> will get, or float32 to train.</param>
    /// <param name="device">Where the parameters live, or null for the CPU.</param>
    /// <exception cref="MuralException">The file is missing, malformed, or holds no ControlNet.</exception>
    public static ControlNetModel FromFile(string path, UNetConfig unet, ScalarType type = ScalarType.Float32, Device? device = null)
    {
        ArgumentNullException.ThrowIfNull(unet);
        using ITensorSource file = Checkpoint.Open(path);
        using ComponentSource tensors = ControlNetFile.Tensors(file);
        var network = new ControlNetModel(ControlNetFile.Config(tensors, unet), new LayerFactory(type, Initialize: false, device)) { Origin = FileMark.Of(path) };
        return ModelFolder.Loaded(network, () => network.Load(tensors));
    }

    /// <summary>Replaces the weights by a checkpoint's, which may have diffusers' names of any age.</summary>
    /// <param name="source">A checkpoint of a ControlNet alone.</param>
    /// <exception cref="CheckpointMismatchException">The checkpoint does not fit; nothing was changed.</exception>
    /// <exception cref="MuralException">The network was made ready for inference.</exception>
    public void Load(ITensorSource source)
    {
        ArgumentNullException.ThrowIfNull(source);
        _inference.RequireWeights("loaded into");
        ModuleWeights.Load(this, source, UNetKeys.Current, ModelFolder.SqueezeConvolution);
    }

    /// <summary>Writes the folder that <see cref="FromFolder"/> and diffusers read.</summary>
    /// <param name="folder">The folder, created when missing.</param>
    /// <param name="type">The type to write the weights in, or null for their own.</param>
    /// <exception cref="MuralException">A file cannot be written, or the network was made ready for inference.</exception>
    public void Save(string folder, ScalarType? type = null)
    {
        _inference.RequireWeights("saved");
        ModelFolder.Save(this, Config.ToJson(), folder, type);
    }

    /// <inheritdoc cref="UNet2DConditionModel.PrepareForInference"/>
    public void PrepareForInference(KernelSet kernels, ScalarType type) => _inference.Prepare(this, kernels, type);

    /// <inheritdoc cref="UNet2DConditionModel.Prepare"/>
    public PreparedPrompt Prepare(UNetConditioning conditioning)
    {
        using IDisposable? guard = _inference.Guard();
        return _encoder.Prepare(conditioning, _inference.Type);
    }

    /// <summary>Computes once what the picture that controls gives at every step.</summary>
    /// <param name="picture">Values from 0 to 1, with eight times the latents' sides. Shape: <c>[B, 3, H, W]</c>.</param>
    /// <param name="prompt">The run's prompt, whose type is that of the computation.</param>
    /// <returns>What <see cref="Forward"/> takes. Shape: <c>[B, C, H / 8, W / 8]</c>.</returns>
    /// <exception cref="MuralException">The picture has another number of channels, or sides that are no multiples of 8.</exception>
    public Tensor EmbedPicture(Tensor picture, PreparedPrompt prompt)
    {
        ArgumentNullException.ThrowIfNull(picture);
        ArgumentNullException.ThrowIfNull(prompt);
        int side = Config.Downscale;
        if (picture.dim() != 4 || picture.shape[1] != Config.ConditioningChannels || picture.numel() == 0 || picture.shape[2] % side != 0 || picture.shape[3] % side != 0)
            throw new MuralException(
                $"The control picture is {Sizes.Text(picture.shape)}; it must be [batch, {Config.ConditioningChannels}, height, width] with sides that are multiples of {side}.");
        using IDisposable? guard = _inference.Guard();
        using DisposeScope scope = NewDisposeScope();
        Tensor typed = picture.to(prompt.Type);
        return _hint.Forward(Config.ReverseChannels ? typed.flip(1) : typed).MoveToOuterDisposeScope();
    }

    /// <summary>What this network adds to the UNet in one step.</summary>
    /// <param name="sample">The same latents as the UNet gets. Shape: <c>[B, in, h, w]</c>.</param>
    /// <param name="timestep">The timestep of each. Shape: <c>[B]</c>, or one value for all.</param>
    /// <param name="prompt">Made by <see cref="Prepare"/>, for as many latents or for one.</param>
    /// <param name="picture">Made by <see cref="EmbedPicture"/>, for as many latents or for one. Shape: <c>[B, C, h, w]</c>.</param>
    /// <param name="scale">Factor of everything it adds.</param>
    /// <param name="guessMode">
    /// Whether the factor grows tenfold from the first skip to the middle, which lets the picture speak for itself under an empty text.
    /// </param>
    /// <exception cref="MuralException">Latents, timesteps, prompt or picture that this network cannot take.</exception>
    public ControlResiduals Forward(Tensor sample, Tensor timestep, PreparedPrompt prompt, Tensor picture, double scale = 1, bool guessMode = false)
    {
        ArgumentNullException.ThrowIfNull(prompt);
        ArgumentNullException.ThrowIfNull(picture);
        ConditioningCheck.Require(sample, timestep, Config.Network);
        prompt.Require(this, sample.shape[0]);
        long[] wanted = [sample.shape[0], Config.Network.BlockOutChannels[0], sample.shape[2], sample.shape[3]];
        if (picture.dim() != 4 || !picture.shape.AsSpan(1).SequenceEqual(wanted.AsSpan(1)) || (picture.shape[0] != 1 && picture.shape[0] != wanted[0]))
            throw new MuralException($"The embedded control picture is {Sizes.Text(picture.shape)} where latents of {Sizes.Text(sample.shape)} need {Sizes.Text(wanted)}; "
                + $"give a picture of {Config.Downscale} times their sides.");
        if (!double.IsFinite(scale)) throw new MuralException($"The ControlNet's scale is {scale}; give a finite number.");

        using IDisposable? guard = _inference.Guard();
        using DisposeScope scope = NewDisposeScope();
        BlockInputs inputs = _encoder.Embed(timestep.reshape(-1).expand(sample.shape[0]), prompt);
        List<Tensor> skips = _encoder.Down(sample.to(prompt.Type), picture.to(prompt.Type), inputs);
        Tensor mid = _encoder.Mid(skips[^1], inputs);
        double Factor(int part) => guessMode && !Config.GlobalPooling ? scale * Math.Pow(10, -1 + (double)part / _down.Length) : scale;
        return new ControlResiduals(skips.Select((skip, i) => Scaled(_down[i].forward(skip), Factor(i))), Scaled(_mid.forward(mid), Factor(_down.Length)))
            .MoveToOuterDisposeScope();
    }

    private Tensor Scaled(Tensor residual, double factor)
    {
        if (Config.GlobalPooling) residual = residual.mean([2, 3], keepdim: true).expand_as(residual);
        return factor == 1 ? residual : residual * factor;
    }

    // The fields' names are not the checkpoint's; every child is registered above.
    /// <inheritdoc/>
    protected override void RegisterComponents() { }
}
