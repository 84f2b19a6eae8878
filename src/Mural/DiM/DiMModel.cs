using Mural.Layers;
using Mural.Runtime;
using TorchSharp;
using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace Mural.DiM;

/// <summary>
/// Diffusion Mamba (arXiv 2405.14224, spec dim.md 1): predicts the noise in a latent or picture with Mamba blocks that scan the grid of tokens in four directions.
/// Parameter names are those of the released checkpoints.
/// </summary>
public sealed partial class DiMModel : nn.Module
{
    private readonly InferenceState _inference = new("DiM");
    private readonly ScanDirection[] _schedule;
    private readonly PatchEmbedding _patches;
    private readonly LabelTable _labels;
    private readonly SharedAdaLayerNorm _modulation;
    private readonly TokenSequence _sequence;
    private readonly DiMBlock[] _blocks;
    private readonly OutputHead _head;

    [ComponentName(Name = "additional_embed")]
    private readonly Parameter _positions;

    /// <summary>Creates an untrained model.</summary>
    /// <param name="config">Its sizes.</param>
    /// <param name="generator">Source of the starting values; a CPU generator gives the same model on every device.</param>
    /// <param name="device">Where the parameters live, or null for the CPU.</param>
    /// <exception cref="MuralException">Sizes that no model can have.</exception>
    public DiMModel(DiMConfig config, Generator generator, Device? device = null) : this(config, device) => DiMInitialization.Apply(this, generator);

    // Leaves the parameters as they are in memory, for a checkpoint to fill.
    internal DiMModel(DiMConfig config, Device? device) : base(nameof(DiMModel))
    {
        config.Check();
        Config = config;
        _schedule = ScanOrders.Schedule(config.Blocks);
        _positions = this.Register("additional_embed", empty(1, 2 + config.TrainedGrid.Count, config.Width, device: device));
        _patches = this.Register("pos_embed", new PatchEmbedding(config, device));
        _labels = this.Register("label_emb", new LabelTable(config.Classes, config.Width, device));
        _modulation = this.Register("adaln_single", new SharedAdaLayerNorm(config, device));
        _sequence = this.Register("a4m_adapter", new TokenSequence(config, device));
        _blocks = [.. Enumerable.Range(0, config.Blocks).Select(i => this.RegisterAt($"transformer_blocks.{i}", new DiMBlock(config, i > config.DecoderBlocks, device)))];
        _head = new OutputHead(this, config, device);
    }

    /// <summary>The model's sizes.</summary>
    public DiMConfig Config { get; }

    internal IReadOnlyList<DiMBlock> Blocks => _blocks;

    /// <summary>The labels' rows in the conditioning vector. Shape: `[classes + 1, D]`.</summary>
    internal Parameter ConditioningLabels => _modulation.Labels;

    /// <summary>
    /// Type that the blocks' matrix products run in: float32, bfloat16 or float16. The stream between blocks, norms, scan states, embeddings and output head are
    /// float32 whatever it is, and so are the parameters, which layers cast as they use them.
    /// </summary>
    public ScalarType ComputeType { get; set; } = ScalarType.Float32;

    /// <summary>
    /// Makes the model ready for inference only, once: sets <see cref="ComputeType"/>, chooses kernels, and holds the weights of the blocks' products once, in that type. It cannot
    /// be trained, saved or moved afterwards.
    /// </summary>
    public void PrepareForInference(KernelSet kernels, ScalarType type)
    {
        _inference.Prepare(this, kernels, type);
        ComputeType = type;
    }

    /// <summary>Predicts the noise in <paramref name="input"/>.</summary>
    /// <param name="input">Noisy latents or pictures of any size that the patch size divides. Shape: `[B, C, H, W]`.</param>
    /// <param name="time">
    /// Network time of each sample, fractions allowed: 0..1000 for latent models, 999·t for pixel models. Shape: `[B]`, or one value for all.
    /// </param>
    /// <param name="labels">
    /// Class indices `[B]`, with <see cref="DiMConfig.NullLabel"/> for none; or bags of word indices `[B, K]` filled up with -1, whose condition is the mean over
    /// the words (a word given twice counts twice), a bag without words being the null label; or null for the null label everywhere.
    /// </param>
    /// <param name="options">What this run does differently, or null.</param>
    /// <returns>The predicted noise, float32. Shape: `[B, C, H, W]`.</returns>
    /// <exception cref="MuralException">Channels, sizes, times or labels that the model cannot take.</exception>
    public Tensor Forward(Tensor input, Tensor time, Tensor? labels = null, DiMForwardOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(input);
        ArgumentNullException.ThrowIfNull(time);
        options ??= DiMForwardOptions.Default;
        TokenGrid grid = GridOf(input);
        CheckSkipFactors(options);

        using DisposeScope scope = NewDisposeScope();
        Tensor times = TimesOf(time, input);
        LabelBags bags = LabelBags.From(labels, input.shape[0], Config.Classes, input.device);
        Tensor timeToken = Sinusoids.Of(times, Config.Width);
        Tensor classToken = _labels.forward(bags);
        Tensor modulation = _modulation.forward(times, bags);

        Tensor tokens = cat([timeToken.unsqueeze(1), classToken.unsqueeze(1), _patches.forward(input)], 1);
        Tensor positions = Positions(grid, options);
        Tensor sequence = _sequence.Build(tokens + positions, grid);
        options.Observe?.Invoke("m", modulation);
        options.Observe?.Invoke("position_table", positions);
        options.Observe?.Invoke("sequence", sequence);
        Tensor stream = RunBlocks(sequence, modulation, grid, options);
        return _head.Forward(_sequence.Image(stream, grid), timeToken, classToken).MoveToOuterDisposeScope();
    }

    private Tensor Positions(TokenGrid grid, DiMForwardOptions options)
    {
        Tensor table = _positions.to(ScalarType.Float32);
        if (options.PositionsThrough is not { } between) return PositionTable.For(table, Config.TrainedGrid, grid, options.ResizePositions);
        return PositionTable.For(PositionTable.For(table, Config.TrainedGrid, between, resize: true), between, grid, resize: true);
    }

    // Encoder block i lends its output to decoder block n - i: last in, first out. Block 0 lends nothing.
    private Tensor RunBlocks(Tensor stream, Tensor modulation, TokenGrid grid, DiMForwardOptions options)
    {
        using DisposeScope scope = NewDisposeScope();
        TokenGrid padded = grid.Padded(Config.PadLength);
        var skips = new Stack<Tensor>();
        for (int i = 0; i < _blocks.Length; i++)
        {
            bool decoder = i > Config.DecoderBlocks;
            Tensor? skip = decoder ? Scaled(skips.Pop(), options.SkipFactors?[i - Config.DecoderBlocks - 1] ?? 1) : null;
            Tensor next = RunBlock(_blocks[i], stream, modulation, skip, ScanOrders.Of(padded, Config.FrontTokens, _schedule[i]), options);
            options.Observe?.Invoke($"block{i}", next);
            if (i > 0) stream.Dispose();
            skip?.Dispose();
            stream = next;
            if (i > 0 && i <= Config.DecoderBlocks) skips.Push(stream.to(ComputeType));
        }
        return stream.MoveToOuterDisposeScope();
    }

    private Tensor RunBlock(DiMBlock block, Tensor stream, Tensor modulation, Tensor? skip, Kernels.ScanOrder? order, DiMForwardOptions options)
    {
        if (!options.GradientCheckpointing) return block.Forward(stream, modulation, skip, order, ComputeType);
        ScalarType type = ComputeType;
        Tensor[] inputs = skip is null ? [stream, modulation] : [stream, modulation, skip];
        return GradientCheckpoint.Run(
            inputs => block.Forward(inputs[0], inputs[1], inputs.Count > 2 ? inputs[2] : null, order, type), inputs, block.parameters());
    }

    private static Tensor Scaled(Tensor skip, double factor)
    {
        if (factor == 1) return skip;
        using (skip) return skip * factor;
    }

    private TokenGrid GridOf(Tensor input)
    {
        long[] shape = input.shape;
        if (shape.Length != 4 || shape[1] != Config.InChannels || !input.is_floating_point())
            throw new MuralException(
                $"The input is {input.dtype} of shape [{string.Join(", ", shape)}]; this model takes floating point [batch, {Config.InChannels}, height, width].");
        int patch = Config.PatchSize;
        if (shape[2] < patch || shape[3] < patch || shape[2] % patch != 0 || shape[3] % patch != 0)
            throw new MuralException($"The input is {shape[3]}x{shape[2]}; both sides must be multiples of the patch size {patch}.");
        return new TokenGrid((int)(shape[2] / patch), (int)(shape[3] / patch));
    }

    private static Tensor TimesOf(Tensor time, Tensor input)
    {
        long batch = input.shape[0];
        if (time.numel() != 1 && (time.dim() != 1 || time.shape[0] != batch))
            throw new MuralException($"Times of shape [{string.Join(", ", time.shape)}] do not fit a batch of {batch}; give [{batch}] times, or one for all.");
        return time.reshape(-1).expand(batch).to(input.device);
    }

    private void CheckSkipFactors(DiMForwardOptions options)
    {
        if (options.SkipFactors is { Count: int count } && count != Config.DecoderBlocks)
            throw new MuralException($"There are {count} skip factors for {Config.DecoderBlocks} decoder blocks; give one for each.");
    }

    // The fields' names are not the checkpoint's; every child is registered above.
    /// <inheritdoc/>
    protected override void RegisterComponents() { }
}
