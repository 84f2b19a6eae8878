using Mural.Layers.Clip;
using Mural.Samplers;
using Mural.Text;
using Mural.UNet;

namespace Mural.Training;

/// <summary>The architecture of a UNet to train, with diffusers' names; what the autoencoder and the text encoder decide is not set here.</summary>
public sealed record UNetModelConfig
{
    /// <summary>Channels at each resolution; every one but the last halves the sides.</summary>
    public int[] BlockOutChannels { get; init; } = [128, 256, 320];

    /// <summary>Residual blocks at each resolution on the way down; the way up has one more.</summary>
    public int LayersPerBlock { get; init; } = 1;

    /// <summary>Which resolutions attend; null for all but the last, as in Stable Diffusion 1. The middle always does.</summary>
    public bool[]? Attention { get; init; }

    /// <summary>Channels of each attention head; divides the channels of every resolution.</summary>
    public int HeadChannels { get; init; } = 64;

    /// <summary>Transformer blocks in each attention.</summary>
    public int TransformerLayers { get; init; } = 1;

    /// <summary>Groups of every group norm; divides the channels of every resolution.</summary>
    public int NormNumGroups { get; init; } = 32;

    internal UNetConfig ToUNetConfig(int latentChannels, int side, int contextWidth)
    {
        int levels = BlockOutChannels.Length;
        bool[] attention = Attention ?? [.. Enumerable.Range(0, levels).Select(level => level < levels - 1)];
        return new UNetConfig
        {
            InChannels = latentChannels,
            OutChannels = latentChannels,
            SampleSize = side,
            BlockOutChannels = BlockOutChannels,
            DownBlockAttention = attention,
            UpBlockAttention = [.. attention.Reverse()],
            LayersPerBlock = [.. Enumerable.Repeat(LayersPerBlock, levels)],
            AttentionHeads = [.. BlockOutChannels.Select(channels => channels / HeadChannels)],
            TransformerLayers = [.. Enumerable.Repeat(TransformerLayers, levels)],
            CrossAttentionWidth = contextWidth,
            NormGroupCount = NormNumGroups,
        };
    }

    internal void Check()
    {
        Settings.InRange("model.head_channels", HeadChannels, 1, 4096);
        foreach (int channels in BlockOutChannels)
            if (channels % HeadChannels != 0)
                throw new MuralException(
                    $"The setting 'model.head_channels' is {HeadChannels}, which does not divide the {channels} channels of 'model.block_out_channels'; change one of them.");
        ToUNetConfig(latentChannels: 4, side: 8, contextWidth: 8).Validate();
    }
}

/// <summary>The text encoder that is trained with a UNet, a small one of CLIP's architecture, and its tokenizer, whose vocabulary is made of the training captions.</summary>
public sealed record UNetTextConfig
{
    /// <summary>Features of a token, which the UNet attends to.</summary>
    public int Width { get; init; } = 256;

    /// <summary>Blocks.</summary>
    public int Layers { get; init; } = 4;

    /// <summary>Attention heads; they divide the width.</summary>
    public int Heads { get; init; } = 4;

    /// <summary>The most tokens of the vocabulary; few captions give fewer.</summary>
    public int Vocabulary { get; init; } = 4096;

    /// <summary>
    /// Tokens of a window, begin and end among them, from 3 to CLIP's 77: what does not fit into one goes on in the next when a picture is painted, and is cut off in training.
    /// </summary>
    public int MaxLength { get; init; } = 32;

    internal ClipTextConfig ToClipTextConfig(ClipTokenizer tokenizer) => new()
    {
        VocabularySize = tokenizer.VocabularySize,
        Positions = MaxLength,
        EndToken = tokenizer.End,
        BeginToken = tokenizer.Begin,
        PadToken = tokenizer.Pad,
        // The family of a folder is told from the activation: this is that of Stable Diffusion 1.
        Transformer = new ClipTransformerConfig { Layers = Layers, Width = Width, Heads = Heads, Inner = 4 * Width, Activation = ClipActivation.QuickGelu },
    };

    internal void Check()
    {
        Settings.InRange("text.width", Width, 1, 8192);
        Settings.InRange("text.layers", Layers, 1, 128);
        Settings.InRange("text.heads", Heads, 1, Width);
        if (Width % Heads != 0) throw new MuralException($"The setting 'text.heads' is {Heads}, which does not divide 'text.width' = {Width}; change one of them.");
        Settings.InRange("text.vocabulary", Vocabulary, BytePairTraining.SmallestVocabulary, 1_000_000);
        Settings.InRange("text.max_length", MaxLength, ClipTokenizer.ShortestWindow, ClipTokenizer.ClipWindow);
    }
}

/// <summary>
/// Settings of the training of a text-to-image UNet of Stable Diffusion's architecture, together with a text encoder of its own. Its pictures have captions: in the list's
/// <c>caption</c>, in a text file beside each picture, or their words.
/// </summary>
public sealed record UNetTrainingConfig : TrainingConfig
{
    /// <summary>The UNet.</summary>
    public UNetModelConfig Model { get; init; } = new();

    /// <summary>The text encoder and its tokenizer.</summary>
    public UNetTextConfig Text { get; init; } = new();

    /// <summary>Folder of the autoencoder whose latents are learned, relative to the settings file.</summary>
    public string Autoencoder { get; init; } = "";

    /// <summary>What the network predicts.</summary>
    public PredictionType Prediction { get; init; } = PredictionType.Epsilon;

    /// <summary>Share of the pictures that are shown with an empty caption, for guidance, in [0, 1].</summary>
    public double LabelDropout { get; init; } = 0.1;

    /// <summary>Share of the words that are left out of a caption, in [0, 1); one word always stays.</summary>
    public double WordDropout { get; init; }

    /// <summary>Share of the pictures that are shown with their words in another order, drawn anew each time, in [0, 1].</summary>
    public double WordShuffle { get; init; }

    /// <summary>Words that say how and not what, such as styles.</summary>
    public string[] StyleWords { get; init; } = [];

    /// <summary>Share of the pictures that are shown without their style words, in [0, 1].</summary>
    public double StyleDropout { get; init; }

    /// <summary>How much more often pictures of rare words are shown, in [0, 2]; see <see cref="DiMTrainingConfig.Balance"/>.</summary>
    public double Balance { get; init; }

    /// <summary>How pictures are shown with their words.</summary>
    internal WordSettings Words => new(new ConditionDropout(LabelDropout, WordDropout, StyleDropout), StyleWords, Balance);

    /// <summary>γ of min-SNR weighting (arXiv 2303.09556); null weighs all samples alike.</summary>
    public double? MinSnrGamma { get; init; }

    /// <summary>
    /// The result of an earlier run that a new run starts from, relative to the settings file: its networks, of the same architecture and prediction, and its tokenizer.
    /// </summary>
    public string? InitialiseFrom { get; init; }

    internal override string? Start => InitialiseFrom;

    /// <summary>The sheets of samples.</summary>
    public SampleSheetConfig Sheet { get; init; } = new();

    internal override void Check()
    {
        base.Check();
        Data.RequirePictures();
        Model.Check();
        Text.Check();
        Sheet.Check();
        Settings.Given("autoencoder", Autoencoder, "the folder of the autoencoder whose latents are to be learned");
        Words.Check();
        Settings.InRange("word_shuffle", WordShuffle, 0, 1);
        MinSnr.Check(MinSnrGamma);
        Words.RequireStyles();
    }
}
