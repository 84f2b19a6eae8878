namespace Mural.UNet;

/// <summary>
/// Architecture of a <see cref="UNet2DConditionModel"/>, as its diffusers <c>config.json</c> states it (spec 1.2). The defaults are those of Stable Diffusion 1.5. Lists
/// have one entry for each level, from the latent's resolution downwards; every level but the last halves the sides.
/// </summary>
public sealed record UNetConfig
{
    /// <summary>Channels of the input (<c>in_channels</c>): 4, or 9 with a mask and a masked latent for inpainting.</summary>
    public int InChannels { get; init; } = 4;

    /// <summary>Channels of the prediction (<c>out_channels</c>).</summary>
    public int OutChannels { get; init; } = 4;

    /// <summary>Side of the latents it was trained on, or null; only the default size of pictures follows from it (<c>sample_size</c>).</summary>
    public int? SampleSize { get; init; } = 64;

    /// <summary>Channels at each level (<c>block_out_channels</c>).</summary>
    public IReadOnlyList<int> BlockOutChannels { get; init; } = [320, 640, 1280, 1280];

    /// <summary>Which levels attend on the way down (<c>down_block_types</c>).</summary>
    public IReadOnlyList<bool> DownBlockAttention { get; init; } = [true, true, true, false];

    /// <summary>Which levels attend on the way up, from the lowest resolution upwards (<c>up_block_types</c>).</summary>
    public IReadOnlyList<bool> UpBlockAttention { get; init; } = [false, true, true, true];

    /// <summary>Residual blocks at each level on the way down; the way up has one more (<c>layers_per_block</c>).</summary>
    public IReadOnlyList<int> LayersPerBlock { get; init; } = [2, 2, 2, 2];

    /// <summary>Attention heads at each level, which diffusers' files misname <c>attention_head_dim</c>.</summary>
    public IReadOnlyList<int> AttentionHeads { get; init; } = [8, 8, 8, 8];

    /// <summary>Transformer blocks in each attention of a level; the middle has as many as the last level (<c>transformer_layers_per_block</c>).</summary>
    public IReadOnlyList<int> TransformerLayers { get; init; } = [1, 1, 1, 1];

    /// <summary>Width of the text context (<c>cross_attention_dim</c>).</summary>
    public int CrossAttentionWidth { get; init; } = 768;

    /// <summary>Whether linears instead of 1x1 convolutions lead into and out of the transformers (<c>use_linear_projection</c>).</summary>
    public bool UseLinearProjection { get; init; }

    /// <summary>
    /// Whether a run in float16 has to compute attention scores in float32 (<c>upcast_attention</c>). Mural always does; the value is kept for the programs that ask.
    /// </summary>
    public bool UpcastAttention { get; init; }

    /// <summary>Groups of every group norm; divides every channel count (<c>norm_num_groups</c>).</summary>
    public int NormGroupCount { get; init; } = 32;

    /// <summary>Added to the variance in the norms of residual blocks and output (<c>norm_eps</c>); transformers have 1e-6 and 1e-5.</summary>
    public double NormEpsilon { get; init; } = 1e-5;

    /// <summary>Whether sinusoids begin with the cosines (<c>flip_sin_to_cos</c>).</summary>
    public bool FlipSinToCos { get; init; } = true;

    /// <summary>Taken from the number of frequencies in the sinusoids' exponent (<c>freq_shift</c>).</summary>
    public double FrequencyShift { get; init; }

    /// <summary>Zeros around the map before it is halved: 1 at every side, or 0 for one row and column at the far sides only (<c>downsample_padding</c>).</summary>
    public int DownsamplePadding { get; init; } = 1;

    /// <summary>What the sums of the middle's residual blocks are divided by (<c>mid_block_scale_factor</c>).</summary>
    public double MidBlockScaleFactor { get; init; } = 1;

    /// <summary>Whether the input is mapped from 0..1 to -1..1 first (<c>center_input_sample</c>).</summary>
    public bool CenterInputSample { get; init; }

    /// <summary>Width of the time embedding, or null for four times the first level's channels (<c>time_embedding_dim</c>).</summary>
    public int? TimeEmbeddingWidth { get; init; }

    /// <summary>Width of the sinusoids of each size number that SDXL is conditioned on, or null for a network without (<c>addition_time_embed_dim</c>).</summary>
    public int? SizeEmbeddingWidth { get; init; }

    /// <summary>
    /// Width of pooled text and size sinusoids together, or null for a network without (<c>projection_class_embeddings_input_dim</c>): 2816 for SDXL, 2560 for its refiner.
    /// </summary>
    public int? AddedEmbeddingWidth { get; init; }

    /// <summary>Width of the sinusoids of the guidance scale that distilled models are conditioned on, or null for a network without (<c>time_cond_proj_dim</c>).</summary>
    public int? GuidanceEmbeddingWidth { get; init; }

    /// <summary>Width of the time embedding.</summary>
    public int TimeWidth => TimeEmbeddingWidth ?? 4 * BlockOutChannels[0];

    /// <summary>Stable Diffusion XL's base model; the defaults are those of Stable Diffusion 1.</summary>
    internal static UNetConfig StableDiffusionXL { get; } = new()
    {
        SampleSize = 128,
        BlockOutChannels = [320, 640, 1280],
        DownBlockAttention = [false, true, true],
        UpBlockAttention = [true, true, false],
        LayersPerBlock = [2, 2, 2],
        AttentionHeads = [5, 10, 20],
        TransformerLayers = [1, 2, 10],
        CrossAttentionWidth = 2048,
        UseLinearProjection = true,
        SizeEmbeddingWidth = 256,
        AddedEmbeddingWidth = 2816,
    };

    /// <summary>Reads a diffusers <c>config.json</c>. Unknown keys are ignored; missing ones have diffusers' defaults.</summary>
    /// <param name="path">The file, or the folder that holds it.</param>
    /// <exception cref="MuralException">The file is missing, is not JSON, or describes a network that this class cannot build.</exception>
    public static UNetConfig Read(string path) => UNetConfigJson.Read(path);

    /// <summary>The text of a diffusers <c>config.json</c>.</summary>
    public string ToJson() => UNetConfigJson.Write(this);

    /// <exception cref="MuralException">A value is impossible.</exception>
    internal void Validate()
    {
        int levels = BlockOutChannels.Count;
        if (levels == 0) throw new MuralException("The UNet's block_out_channels is empty; give the channels of at least one level.");
        RequireOneForEachLevel("down_block_types", DownBlockAttention);
        RequireOneForEachLevel("up_block_types", UpBlockAttention);
        RequireOneForEachLevel("layers_per_block", LayersPerBlock);
        RequireOneForEachLevel("attention_head_dim", AttentionHeads);
        RequireOneForEachLevel("transformer_layers_per_block", TransformerLayers);
        foreach ((string name, int? value) in new (string, int?)[]
        {
            ("in_channels", InChannels), ("out_channels", OutChannels), ("sample_size", SampleSize), ("cross_attention_dim", CrossAttentionWidth),
            ("norm_num_groups", NormGroupCount), ("time_embedding_dim", TimeEmbeddingWidth), ("addition_time_embed_dim", SizeEmbeddingWidth),
            ("projection_class_embeddings_input_dim", AddedEmbeddingWidth), ("time_cond_proj_dim", GuidanceEmbeddingWidth),
        })
        {
            if (value < 1) throw new MuralException($"The UNet's {name} is {value}; it must be at least 1.");
        }
        for (int level = 0; level < levels; level++) ValidateLevel(level);
        if (!(NormEpsilon > 0)) throw new MuralException($"The UNet's norm_eps is {NormEpsilon}; it must be above 0.");
        if (DownsamplePadding is not (0 or 1)) throw new MuralException($"The UNet's downsample_padding is {DownsamplePadding}; it must be 0 or 1.");
        if (!double.IsFinite(MidBlockScaleFactor) || MidBlockScaleFactor == 0)
            throw new MuralException($"The UNet's mid_block_scale_factor is {MidBlockScaleFactor}; it must be a number other than 0.");
        if (!(FrequencyShift >= 0 && FrequencyShift < BlockOutChannels[0] / 2))
            throw new MuralException($"The UNet's freq_shift is {FrequencyShift}; it must be from 0 to less than half of the first block_out_channels.");
        if (GuidanceEmbeddingWidth is < 4) throw new MuralException($"The UNet's time_cond_proj_dim is {GuidanceEmbeddingWidth}; it must be at least 4.");
        if (SizeEmbeddingWidth is null != AddedEmbeddingWidth is null)
            throw new MuralException("The UNet's config has one of addition_time_embed_dim and projection_class_embeddings_input_dim; give both or neither.");
    }

    private void ValidateLevel(int level)
    {
        (int channels, int heads) = (BlockOutChannels[level], AttentionHeads[level]);
        if (channels < 1 || channels % NormGroupCount != 0)
            throw new MuralException(
                $"The UNet's block_out_channels holds {channels}, which is not a positive multiple of norm_num_groups ({NormGroupCount}); change one of them.");
        if (heads < 1 || channels % heads != 0)
            throw new MuralException($"The UNet's {channels} channels cannot be shared among {heads} attention heads; change attention_head_dim, which is the number of heads.");
        if (LayersPerBlock[level] < 1) throw new MuralException($"The UNet's layers_per_block holds {LayersPerBlock[level]}; it must be at least 1.");
        // Levels that do not attend have no use for the number, and some configs have 0 there.
        int last = BlockOutChannels.Count - 1, least = DownBlockAttention[level] || UpBlockAttention[last - level] || level == last ? 1 : 0;
        if (TransformerLayers[level] < least) throw new MuralException($"The UNet's transformer_layers_per_block holds {TransformerLayers[level]}; it must be at least {least}.");
    }

    private void RequireOneForEachLevel<T>(string name, IReadOnlyList<T> values)
    {
        if (values.Count != BlockOutChannels.Count)
            throw new MuralException($"The UNet's {name} has {values.Count} entries for {BlockOutChannels.Count} levels; give one for each.");
    }
}
