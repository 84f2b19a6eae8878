using System.Text.Json;
using System.Text.Json.Serialization;
using Mural.Checkpoints;

namespace Mural.DiM;

/// <summary>
/// The sizes of a Diffusion Mamba (spec dim.md 1.1), as they stand in a model's <c>config.json</c>. A trained model also works on other grids than its own.
/// </summary>
public sealed record DiMConfig
{
    private static readonly JsonSerializerOptions Json = new() { WriteIndented = true, RespectRequiredConstructorParameters = true };

    private const string Kind = "DiM";

    /// <summary>Kind of model, as written in config.json: always DiM.</summary>
    [JsonPropertyName("model")]
    public string Model { get; init; } = Kind;

    /// <summary>Width of the residual stream, D.</summary>
    [JsonPropertyName("width")]
    public required int Width { get; init; }

    /// <summary>Number of blocks, odd: one leading block, then as many encoder as decoder blocks.</summary>
    [JsonPropertyName("blocks")]
    public required int Blocks { get; init; }

    /// <summary>Channels of the noisy input and of the prediction: 4 for Stable Diffusion's latents, 3 for pixels.</summary>
    [JsonPropertyName("in_channels")]
    public required int InChannels { get; init; }

    /// <summary>Number of classes or words. The label tables have one row more, the null label, whose index is this number.</summary>
    [JsonPropertyName("num_classes")]
    public required int Classes { get; init; }

    /// <summary>Height and width of the input the model was trained on, in latent or pixel units.</summary>
    [JsonPropertyName("sample_size")]
    public required int SampleSize { get; init; }

    /// <summary>Side of the square of input values that becomes one token.</summary>
    [JsonPropertyName("patch_size")]
    public int PatchSize { get; init; } = 2;

    /// <summary>States of each channel in the selective scan.</summary>
    [JsonPropertyName("d_state")]
    public int StateSize { get; init; } = 16;

    /// <summary>Taps of the causal convolution before the scan.</summary>
    [JsonPropertyName("d_conv")]
    public int ConvolutionKernel { get; init; } = 3;

    /// <summary>Inner width of the mixer over <see cref="Width"/>.</summary>
    [JsonPropertyName("expand")]
    public int Expand { get; init; } = 2;

    /// <summary>Pad tokens at the end of each row and column, and between the class token and the grid.</summary>
    [JsonPropertyName("pad_len")]
    public int PadLength { get; init; } = 3;

    /// <summary>What fills the bottom pad rows. Not a property of the weights, and so not found in a checkpoint.</summary>
    [JsonPropertyName("pad_layout")]
    public PadLayout PadLayout { get; init; }

    /// <summary>How the checkpoint holds the skip linears.</summary>
    [JsonPropertyName("skip_form")]
    public SkipForm SkipForm { get; init; }

    /// <summary>What labels mean. Not a property of the weights, and so not found in a checkpoint.</summary>
    [JsonPropertyName("conditioning")]
    public Conditioning Conditioning { get; init; }

    /// <summary>Token grid of the position table where it is not the square of <see cref="SampleSize"/>, else null.</summary>
    [JsonPropertyName("position_grid")]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public TokenGrid? PositionGrid { get; init; }

    /// <summary>Token grid that the position table was trained on.</summary>
    [JsonIgnore]
    public TokenGrid TrainedGrid => PositionGrid ?? new TokenGrid(SampleSize / PatchSize, SampleSize / PatchSize);

    /// <summary>Index of the label that stands for "no condition".</summary>
    [JsonIgnore]
    public int NullLabel => Classes;

    /// <summary>Channels inside the mixer, E.</summary>
    [JsonIgnore]
    public int InnerWidth => Expand * Width;

    /// <summary>Width of the low-rank projection that gives the scan's step sizes: a sixteenth of <see cref="Width"/>, rounded up.</summary>
    [JsonIgnore]
    public int TimeStepRank => (Width + 15) / 16;

    /// <summary>Sizes of a block's mixer.</summary>
    internal MambaShape Mixer => new(Width, InnerWidth, TimeStepRank, StateSize, ConvolutionKernel);

    /// <summary>Tokens before the grid: time, class and <see cref="PadLength"/> pads.</summary>
    [JsonIgnore]
    public int FrontTokens => 2 + PadLength;

    /// <summary>Decoder blocks, each of which joins the output of one encoder block.</summary>
    [JsonIgnore]
    public int DecoderBlocks => (Blocks - 1) / 2;

    /// <summary>Size S, for CIFAR-10: 32x32 pixels, unconditional.</summary>
    public static DiMConfig Small { get; } =
        new() { Width = 512, Blocks = 25, InChannels = 3, Classes = 10, SampleSize = 32, SkipForm = SkipForm.Concatenated };

    /// <summary>Size L, for ImageNet at 256x256 pixels.</summary>
    public static DiMConfig Large { get; } = new() { Width = 1024, Blocks = 49, InChannels = 4, Classes = 1000, SampleSize = 32 };

    /// <summary>Size H, for ImageNet at 256x256 pixels.</summary>
    public static DiMConfig Huge { get; } = new() { Width = 1536, Blocks = 49, InChannels = 4, Classes = 1000, SampleSize = 32 };

    /// <summary>Size H, for ImageNet at 512x512 pixels; also the base of upsampling to 1024 and 1536 pixels.</summary>
    public static DiMConfig Huge512 { get; } = Huge with { SampleSize = 64, PadLayout = PadLayout.RhoPad };

    /// <summary>Length of the sequence that the blocks see for a grid of image tokens.</summary>
    public int SequenceLength(TokenGrid grid) => FrontTokens + grid.Padded(PadLength).Count;

    /// <summary>Reads a <c>config.json</c>; keys that say nothing about the model's sizes are passed over.</summary>
    /// <exception cref="MuralException">The file is missing, is not JSON, lacks a key or describes no possible model.</exception>
    public static DiMConfig Load(string path)
    {
        try
        {
            return Parse(File.ReadAllText(path));
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new MuralException($"The model configuration {path} cannot be read ({exception.Message}); give the config.json of a DiM.", exception);
        }
        catch (MuralException exception)
        {
            throw new MuralException($"{path}: {exception.Message}", exception);
        }
    }

    /// <summary>Reads the text of a <c>config.json</c>.</summary>
    /// <exception cref="MuralException">It is not JSON, lacks a key or describes no possible model.</exception>
    public static DiMConfig Parse(string json)
    {
        try
        {
            DiMConfig config = JsonSerializer.Deserialize<DiMConfig>(json, Json) ?? throw new JsonException("it is empty");
            config.Check();
            return config;
        }
        catch (JsonException exception)
        {
            throw new MuralException(
                $"The model configuration is not that of a DiM ({exception.Message}); it must hold width, blocks, in_channels, num_classes and sample_size.", exception);
        }
    }

    /// <summary>What the shapes of a checkpoint's tensors say; pad layout and meaning of labels, which they do not, stay at their defaults.</summary>
    /// <exception cref="MuralException">The tensors are not those of a DiM.</exception>
    public static DiMConfig FromCheckpoint(ITensorSource source)
    {
        ArgumentNullException.ThrowIfNull(source);
        return DiMCheckpoint.Detect(source);
    }

    /// <summary>The text of <c>config.json</c>.</summary>
    public string ToJson() => JsonSerializer.Serialize(this, Json);

    /// <summary>Refuses sizes that no model can have.</summary>
    internal void Check()
    {
        (string Name, int Value)[] positive =
        [
            ("width", Width), ("blocks", Blocks), ("in_channels", InChannels), ("sample_size", SampleSize), ("patch_size", PatchSize), ("d_state", StateSize),
            ("d_conv", ConvolutionKernel), ("expand", Expand), ("pad_len", PadLength),
        ];
        foreach ((string name, int value) in positive)
            if (value < 1) throw new MuralException($"The model configuration says {name} = {value}; it must be at least 1.");
        if (Model != Kind) throw new MuralException($"The model configuration says model = {Model}; it must be {Kind}.");
        if (Classes < 0) throw new MuralException($"The model configuration says num_classes = {Classes}; it must be 0 (unconditional) or more.");
        if (Blocks % 2 == 0) throw new MuralException($"The model configuration says blocks = {Blocks}; the number must be odd, because the second half mirrors the first.");
        if (SampleSize % PatchSize != 0) throw new MuralException($"The model configuration says sample_size = {SampleSize}; it must be a multiple of patch_size = {PatchSize}.");
        if (PositionGrid is { Rows: < 1 } or { Columns: < 1 })
            throw new MuralException($"The model configuration says position_grid = {PositionGrid}; both sides must be at least 1.");
    }
}
