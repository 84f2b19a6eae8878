using Mural.Autoencoders;

namespace Mural.Training;

/// <summary>The architecture of an autoencoder to train, with diffusers' names; the defaults give a small one of 3.9 million parameters.</summary>
public sealed record VaeModelConfig
{
    /// <summary>Channels at each resolution; every step but the last halves the sides.</summary>
    public int[] BlockOutChannels { get; init; } = [32, 64, 128, 128];

    /// <summary>Residual blocks at each resolution of the encoder; the decoder has one more.</summary>
    public int LayersPerBlock { get; init; } = 1;

    /// <summary>Channels of the latent.</summary>
    public int LatentChannels { get; init; } = 4;

    /// <summary>
    /// Groups of every group norm. Few are better for a small network: a group of one channel loses that channel's level, and colours with it.
    /// </summary>
    public int NormNumGroups { get; init; } = 4;

    /// <summary>Whether the lowest resolution attends over all its positions.</summary>
    public bool MidBlockAddAttention { get; init; } = true;

    internal AutoencoderConfig ToAutoencoderConfig(int size) => new()
    {
        BlockOutChannels = BlockOutChannels,
        LayersPerBlock = LayersPerBlock,
        LatentChannels = LatentChannels,
        NormGroupCount = NormNumGroups,
        MidBlockAttention = MidBlockAddAttention,
        SampleSize = size,
        ScalingFactor = 1,
        ForceUpcast = false,
    };
}

/// <summary>Settings of an autoencoder's training.</summary>
public sealed record VaeTrainingConfig : TrainingConfig
{
    /// <summary>The architecture.</summary>
    public VaeModelConfig Model { get; init; } = new();

    /// <summary>
    /// Side of the square that is cut from each picture at a place drawn anew each time; null takes pictures whole. An autoencoder sees only so far: smaller pieces give more
    /// steps in the same time.
    /// </summary>
    public int? Crop { get; init; }

    /// <summary>The terms of the loss.</summary>
    public VaeLossConfig Loss { get; init; } = new();

    internal override void Check()
    {
        base.Check();
        Data.RequirePictures();
        Loss.Check();
        AutoencoderConfig model = Model.ToAutoencoderConfig(Data.Size);
        model.Validate();
        Data.RequireMultipleOf(model.Downscale, "autoencoder");
        if (Crop is int crop && (crop < model.Downscale || crop > Data.Size || crop % model.Downscale != 0))
            throw new MuralException(
                $"The setting 'crop' is {crop}; a multiple of {model.Downscale}, the autoencoder's factor, and at most 'data.size' = {Data.Size} is expected.");
    }
}
