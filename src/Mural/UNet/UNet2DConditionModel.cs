using Mural.Attention;
using Mural.HiDiffusion;
using Mural.Layers;
using Mural.Runtime;
using TorchSharp;
using static TorchSharp.torch;

namespace Mural.UNet;

/// <summary>
/// The UNet of Stable Diffusion 1.5, 2.1 and SDXL (spec 2): predicts the noise, or the velocity, in noisy latents under a text. Parameter names are those of diffusers.
/// </summary>
public sealed partial class UNet2DConditionModel : nn.Module
{
    private readonly UNetEncoder _encoder;
    private readonly UpBlock[] _up;
    private readonly GroupNorm _norm;
    private readonly Conv2d _output;
    private readonly InferenceState _inference = new("UNet");

    /// <summary>Builds an untrained network with weights initialised as PyTorch's layers are.</summary>
    /// <param name="config">Its architecture.</param>
    /// <param name="type">Type that the weights are held in.</param>
    /// <param name="device">Where the parameters live, or null for the CPU.</param>
    /// <exception cref="MuralException">The config's values are impossible.</exception>
    public UNet2DConditionModel(UNetConfig config, ScalarType type = ScalarType.Float32, Device? device = null)
        : this(config, new LayerFactory(type, Initialize: true, device))
    {
    }

    internal UNet2DConditionModel(UNetConfig config, LayerFactory layers) : base(nameof(UNet2DConditionModel))
    {
        ArgumentNullException.ThrowIfNull(config);
        config.Validate();
        Config = config;
        _encoder = new UNetEncoder(this, config, layers);
        var skips = new Stack<int>(UNetEncoder.SkipChannels(config));
        int levels = config.BlockOutChannels.Count;
        _up = [.. Enumerable.Range(0, levels).Select(i => this.RegisterAt(
            $"up_blocks.{i}", new UpBlock(levels - 1 - i, config.BlockOutChannels[Math.Min(levels - i, levels - 1)], skips, config, layers)))];
        _norm = this.Register("conv_norm_out", layers.GroupNorm(config.NormGroupCount, config.BlockOutChannels[0], config.NormEpsilon, silu: true));
        _output = this.Register("conv_out", layers.Convolution(config.BlockOutChannels[0], config.OutChannels, 3, padding: 1));
    }

    /// <summary>The architecture.</summary>
    public UNetConfig Config { get; }

    /// <summary>
    /// Makes the network ready for inference only: its weights are held once, in the type and layout that run fastest. It cannot be trained, saved or moved afterwards.
    /// </summary>
    /// <param name="kernels">Hand-written kernels with packed weights, or plain operators.</param>
    /// <param name="type">Type of the computation.</param>
    /// <exception cref="MuralException">It was made ready before.</exception>
    public void PrepareForInference(KernelSet kernels, ScalarType type) => _inference.Prepare(this, kernels, type);

    /// <summary>
    /// Computes once what a run's conditions give at every step: the keys and values of all cross-attentions and, for SDXL, the embedding of pooled text and sizes.
    /// </summary>
    /// <param name="conditioning">The conditions. Their text's type is that of the computation, unless the network was made ready for another.</param>
    /// <returns>What <see cref="Forward"/> takes; dispose it after the run.</returns>
    /// <exception cref="MuralException">The conditions do not suit this network.</exception>
    public PreparedPrompt Prepare(UNetConditioning conditioning)
    {
        using IDisposable? guard = _inference.Guard();
        return _encoder.Prepare(conditioning, _inference.Type);
    }

    /// <summary>Predicts what the scheduler asks for: noise, velocity or picture, as the model was trained.</summary>
    /// <param name="sample">Latents as the sampler scales them for the model, of any size. Shape: <c>[B, in, h, w]</c>.</param>
    /// <param name="timestep">The timestep of each, fractions allowed. Shape: <c>[B]</c>, or one value for all.</param>
    /// <param name="prompt">Made by <see cref="Prepare"/>, for as many latents or for one.</param>
    /// <param name="residuals">What ControlNets add, or null.</param>
    /// <returns>In the type of <paramref name="sample"/>. Shape: <c>[B, out, h, w]</c>.</returns>
    /// <exception cref="MuralException">Latents, timesteps, prompt or residuals that this network cannot take.</exception>
    public Tensor Forward(Tensor sample, Tensor timestep, PreparedPrompt prompt, ControlResiduals? residuals = null) => Run(sample, timestep, prompt, residuals);

    /// <summary>
    /// <see cref="Forward"/>, with HiDiffusion, with somebody who sees the parts' results, with activations that the backward pass recomputes or with a slab of rows; see
    /// <see cref="BlockInputs"/>. Residuals are resized to the maps of that step.
    /// </summary>
    internal Tensor Run(
        Tensor sample, Tensor timestep, PreparedPrompt prompt, ControlResiduals? residuals = null, Action<object, Tensor>? observe = null, HiDiffusionStep? step = null,
        bool recompute = false, MapPart? part = null)
    {
        ArgumentNullException.ThrowIfNull(prompt);
        ConditioningCheck.Require(sample, timestep, Config);
        prompt.Require(this, sample.shape[0]);
        using IDisposable? guard = _inference.Guard();
        using DisposeScope scope = NewDisposeScope();
        BlockInputs inputs = _encoder.Embed(timestep.reshape(-1).expand(sample.shape[0]), prompt, observe, step) with { Recompute = recompute, Part = part };
        if (recompute && inputs.Time.requires_grad) throw new InvalidOperationException("Gradients of the time embedding cannot be recomputed; freeze it.");
        List<Tensor> skips = _encoder.Down(sample.to(prompt.Type), null, inputs);
        Tensor hidden = _encoder.Mid(skips[^1], inputs);
        if (residuals is not null) hidden = residuals.AddTo(skips, hidden, resizes: step is not null);
        foreach (UpBlock block in _up)
        {
            using Tensor below = hidden;
            hidden = block.Forward(below, skips, inputs);
        }
        return inputs.Convolve(_output, inputs.Normalise(_norm, hidden)).to(sample.dtype).contiguous().MoveToOuterDisposeScope();
    }

    /// <summary>The cross-attentions in the order in which diffusers counts them: the way down, the way up, the middle (spec 7.2).</summary>
    internal IEnumerable<CrossAttention> CrossAttentions() => InDiffusersOrder<CrossAttention>().Select(entry => entry.Part);

    private IEnumerable<(string Name, T Part)> InDiffusersOrder<T>() where T : nn.Module
    {
        string[] order = ["down_blocks.", "up_blocks.", "mid_block."];
        return named_modules()
            .Where(child => child.module is T)
            .DistinctBy(child => child.module)
            .OrderBy(child => Array.FindIndex(order, prefix => child.name.StartsWith(prefix, StringComparison.Ordinal)))
            .Select(child => (child.name, (T)child.module));
    }

    // The fields' names are not the checkpoint's; every child is registered above.
    /// <inheritdoc/>
    protected override void RegisterComponents() { }
}
