namespace Mural.Evaluation;

/// <summary>The sizes of a judge's two towers; the defaults give one of 1.7 million parameters for a vocabulary of 1,740 words.</summary>
internal sealed record JudgeArchitecture
{
    /// <summary>Channels at each resolution of the picture tower; every one but the last halves the sides.</summary>
    public int[] BlockOutChannels { get; init; } = [64, 128, 256];

    /// <summary>Residual blocks at each resolution.</summary>
    public int LayersPerBlock { get; init; } = 1;

    /// <summary>Groups of every group norm.</summary>
    public int NormNumGroups { get; init; } = 8;

    /// <summary>Width of a word's embedding.</summary>
    public int WordWidth { get; init; } = 128;

    /// <summary>Numbers that a picture or a set of words becomes: the features.</summary>
    public int EmbeddingSize { get; init; } = 128;

    /// <summary>Pixels of a picture's side that become one position of the last map.</summary>
    internal int Downscale => PictureTower.StemStride << (BlockOutChannels.Length - 1);

    /// <exception cref="MuralException">A value is impossible.</exception>
    internal void Validate()
    {
        if (BlockOutChannels.Length == 0) throw new MuralException("The judge's block_out_channels is empty; give the channels of at least one resolution.");
        foreach ((string name, int value) in new[]
        {
            ("layers_per_block", LayersPerBlock), ("norm_num_groups", NormNumGroups), ("word_width", WordWidth), ("embedding_size", EmbeddingSize),
        })
        {
            if (value < 1) throw new MuralException($"The judge's {name} is {value}; it must be at least 1.");
        }
        foreach (int channels in BlockOutChannels)
            if (channels < 1 || channels % NormNumGroups != 0)
                throw new MuralException(
                    $"The judge's block_out_channels holds {channels}, which is not a positive multiple of norm_num_groups ({NormNumGroups}); change one of them.");
    }
}
