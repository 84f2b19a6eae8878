using Mural.DiM;

namespace Mural.Training;

/// <summary>The architecture of a DiM to train; what the data decide (channels, size, number of labels) is not set here.</summary>
public sealed record DiMModelConfig
{
    /// <summary>Width of the residual stream.</summary>
    public int Width { get; init; } = 384;

    /// <summary>Blocks, odd.</summary>
    public int Blocks { get; init; } = 15;

    /// <summary>Side of the square of input values that becomes one token.</summary>
    public int PatchSize { get; init; } = 2;

    /// <summary>States of each channel in the scan.</summary>
    public int DState { get; init; } = 16;

    /// <summary>Pad tokens at the end of each row and column.</summary>
    public int PadLen { get; init; } = 3;

    /// <summary>What fills the bottom pad rows; <see cref="PadLayout.RhoPad"/> for a model that is to be upsampled.</summary>
    public PadLayout PadLayout { get; init; }
}

/// <summary>Settings of a DiM's training (spec dim.md 4 and 5).</summary>
public sealed record DiMTrainingConfig : TrainingConfig
{
    /// <summary>The architecture.</summary>
    public DiMModelConfig Model { get; init; } = new();

    /// <summary>
    /// Folder of the autoencoder whose latents are learned, relative to the settings file; null for a pixel model. Latent models train on 1000 whole steps,
    /// pixel models in continuous time.
    /// </summary>
    public string? Autoencoder { get; init; }

    /// <summary>
    /// File with one word a line, relative to the settings file: pictures are conditioned on the set of words of their names. Null for one class a picture, the classes
    /// being the labels that the data hold; without labels the model is unconditional.
    /// </summary>
    public string? Vocabulary { get; init; }

    /// <summary>Share of the pictures that are shown without their condition, for guidance, in [0, 1].</summary>
    public double LabelDropout { get; init; } = 0.1;

    /// <summary>Share of the words that are left out of a picture's set, in [0, 1); one word always stays.</summary>
    public double WordDropout { get; init; }

    /// <summary>
    /// How much more often pictures of rare words are shown, in [0, 2]: each in proportion to (number of pictures of its rarest word)^-balance. 0 shows all
    /// alike; 0.5 is common where few names have most of the pictures.
    /// </summary>
    public double Balance { get; init; }

    /// <summary>
    /// Standard deviation of normal numbers added to the labels' rows of the conditioning vector before the first step, in [0, 10]. The released initialisation, 0.02, is small
    /// beside the time's part: it suits classes of many pictures, while the network hardly tells apart words of a few.
    /// </summary>
    public double LabelNoise { get; init; }

    /// <summary>Words that say how and not what, such as styles.</summary>
    public string[] StyleWords { get; init; } = [];

    /// <summary>Share of the pictures that are shown without their style words, in [0, 1].</summary>
    public double StyleDropout { get; init; }

    /// <summary>How pictures are shown with their words or classes.</summary>
    internal WordSettings Words => new(new ConditionDropout(LabelDropout, WordDropout, StyleDropout), StyleWords, Balance);

    /// <summary>Weighs each sample's loss with min(SNR, γ)/SNR (min-SNR weighting, arXiv 2303.09556); null weighs all alike, as the released training does.</summary>
    public double? MinSnrGamma { get; init; }

    /// <summary>Keeps latents, noise and the timestep that the network is told in bfloat16, as the released training did (spec 4.1, quirk).</summary>
    public bool RoundInputs { get; init; }

    /// <summary>Recomputes each block in the backward pass instead of keeping its values: less memory for a third more work.</summary>
    public bool GradientCheckpointing { get; init; }

    /// <summary>
    /// A checkpoint that a new run starts from, relative to the settings file: a file, a run's result, or a folder with <c>model.safetensors</c>. Its position table is resized to
    /// the new grid: how a model goes on from a smaller to a larger resolution (spec 5.1).
    /// </summary>
    public string? InitialiseFrom { get; init; }

    internal override string? Start => InitialiseFrom;

    /// <summary>The sheets of samples.</summary>
    public SampleSheetConfig Sheet { get; init; } = new();

    internal override void Check()
    {
        base.Check();
        Data.RequirePictures();
        if (Model.PatchSize > 0 && Data.Size % Model.PatchSize != 0)
            throw new MuralException($"The setting 'data.size' is {Data.Size}; a multiple of 'model.patch_size' = {Model.PatchSize} is expected.");
        ToDiMConfig(channels: 4, Data.Size, labels: 0).Check();
        Sheet.Check();
        Words.Check();
        Settings.InRange("label_noise", LabelNoise, 0, 10);
        MinSnr.Check(MinSnrGamma);
        if (Vocabulary is null && (WordDropout > 0 || StyleDropout > 0 || StyleWords.Length > 0))
            throw new MuralException(
                "The settings 'word_dropout', 'style_dropout' and 'style_words' are for models of words; name the list of words with 'vocabulary', or leave them out.");
        Words.RequireStyles();
    }

    internal DiMConfig ToDiMConfig(int channels, int size, int labels) => new()
    {
        Width = Model.Width,
        Blocks = Model.Blocks,
        InChannels = channels,
        Classes = labels,
        SampleSize = size,
        PatchSize = Model.PatchSize,
        StateSize = Model.DState,
        PadLength = Model.PadLen,
        PadLayout = Model.PadLayout,
        // The two forms are the same map; the released models change over at this width.
        SkipForm = Model.Width > 512 ? SkipForm.TwoLinears : SkipForm.Concatenated,
        Conditioning = Vocabulary is null ? Conditioning.Class : Conditioning.Words,
    };
}
