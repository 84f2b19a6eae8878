namespace Mural.Autoencoders;

/// <summary>
/// Architecture of an <see cref="AutoencoderKL"/>, as its diffusers <c>config.json</c> states it. The defaults are Stable Diffusion's.
/// </summary>
public sealed record AutoencoderConfig
{
    /// <summary>Channels of the picture that goes in (<c>in_channels</c>).</summary>
    public int InChannels { get; init; } = 3;

    /// <summary>Channels of the picture that comes out (<c>out_channels</c>).</summary>
    public int OutChannels { get; init; } = 3;

    /// <summary>Channels of the latent (<c>latent_channels</c>).</summary>
    public int LatentChannels { get; init; } = 4;

    /// <summary>Channels at each resolution, from the picture's to the latent's (<c>block_out_channels</c>); every step but the last halves the sides.</summary>
    public IReadOnlyList<int> BlockOutChannels { get; init; } = [128, 256, 512, 512];

    /// <summary>Residual blocks at each resolution of the encoder; the decoder has one more (<c>layers_per_block</c>).</summary>
    public int LayersPerBlock { get; init; } = 2;

    /// <summary>Groups of every group norm; divides every channel count (<c>norm_num_groups</c>).</summary>
    public int NormGroupCount { get; init; } = 32;

    /// <summary>Whether the lowest resolution attends over all its positions (<c>mid_block_add_attention</c>).</summary>
    public bool MidBlockAttention { get; init; } = true;

    /// <summary>Whether a 1x1 convolution follows the encoder (<c>use_quant_conv</c>).</summary>
    public bool UseQuantConv { get; init; } = true;

    /// <summary>Whether a 1x1 convolution precedes the decoder (<c>use_post_quant_conv</c>).</summary>
    public bool UsePostQuantConv { get; init; } = true;

    /// <summary>What an encoded latent is multiplied by to have about unit variance (<c>scaling_factor</c>).</summary>
    public double ScalingFactor { get; init; } = 0.18215;

    /// <summary>What is subtracted from an encoded latent before it is scaled, or null (<c>shift_factor</c>).</summary>
    public double? ShiftFactor { get; init; }

    /// <summary>Mean of each latent channel, or null; used together with <see cref="LatentsStandardDeviation"/> (<c>latents_mean</c>).</summary>
    public IReadOnlyList<double>? LatentsMean { get; init; }

    /// <summary>Standard deviation of each latent channel, or null (<c>latents_std</c>).</summary>
    public IReadOnlyList<double>? LatentsStandardDeviation { get; init; }

    /// <summary>Side in pixels of the pictures it was trained on, which is also the default tile (<c>sample_size</c>).</summary>
    public int SampleSize { get; init; } = 512;

    /// <summary>Whether a pipeline in float16 has to run this autoencoder in float32 because it overflows (<c>force_upcast</c>; SDXL).</summary>
    public bool ForceUpcast { get; init; } = true;

    /// <summary>Pixels of the picture for each position of the latent, along one side: 8 for Stable Diffusion.</summary>
    public int Downscale => 1 << (BlockOutChannels.Count - 1);

    /// <summary>Tiles as large as the pictures it was trained on, which diffusers uses.</summary>
    public TileOptions DefaultTiles => new(SampleSize);

    /// <summary>Reads a diffusers <c>config.json</c>. Unknown keys are ignored; missing ones have diffusers' defaults.</summary>
    /// <param name="path">The file, or the folder that holds it.</param>
    /// <exception cref="MuralException">The file is missing, is not JSON, or describes an autoencoder that this class cannot build.</exception>
    public static AutoencoderConfig Read(string path) => AutoencoderConfigJson.Read(path);

    /// <summary>The text of a diffusers <c>config.json</c>.</summary>
    public string ToJson() => AutoencoderConfigJson.Write(this);

    /// <exception cref="MuralException">A value is impossible.</exception>
    internal void Validate()
    {
        if (BlockOutChannels.Count == 0) throw new MuralException("The autoencoder's block_out_channels is empty; give the channels of at least one resolution.");
        foreach ((string name, int value) in new[]
        {
            ("in_channels", InChannels), ("out_channels", OutChannels), ("latent_channels", LatentChannels),
            ("layers_per_block", LayersPerBlock), ("norm_num_groups", NormGroupCount), ("sample_size", SampleSize),
        })
        {
            if (value < 1) throw new MuralException($"The autoencoder's {name} is {value}; it must be at least 1.");
        }
        foreach (int channels in BlockOutChannels)
            if (channels < 1 || channels % NormGroupCount != 0)
                throw new MuralException(
                    $"The autoencoder's block_out_channels holds {channels}, which is not a positive multiple of norm_num_groups ({NormGroupCount}); change one of them.");
        if (!double.IsFinite(ScalingFactor) || ScalingFactor == 0)
            throw new MuralException($"The autoencoder's scaling_factor is {ScalingFactor}; it must be a number other than 0.");
        if (LatentsMean is null != LatentsStandardDeviation is null)
            throw new MuralException("The autoencoder's config has one of latents_mean and latents_std; give both or neither.");
        foreach (IReadOnlyList<double>? statistics in new[] { LatentsMean, LatentsStandardDeviation })
            if (statistics is not null && statistics.Count != LatentChannels)
                throw new MuralException(
                    $"The autoencoder's latents_mean or latents_std has {statistics.Count} values; it needs one for each of the {LatentChannels} latent_channels.");
        if (LatentsStandardDeviation is not null && LatentsStandardDeviation.Any(deviation => !(deviation > 0)))
            throw new MuralException("The autoencoder's latents_std holds a number that is not above 0; correct the file.");
    }
}
