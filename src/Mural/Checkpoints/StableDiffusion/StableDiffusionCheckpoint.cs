using System.Text.Json.Nodes;
using Mural.Autoencoders;
using Mural.Checkpoints.SingleFile;
using Mural.Layers;
using Mural.Samplers;
using Mural.Text;
using Mural.UNet;
using static TorchSharp.torch;

namespace Mural.Checkpoints.StableDiffusion;

/// <summary>
/// A Stable Diffusion on disk, in a folder of diffusers' layout or in one file of the original layout: what its networks are and hold, alike for both. Weights are read
/// when a network is loaded.
/// </summary>
internal sealed class StableDiffusionCheckpoint : IDisposable
{
    // The others pad with the token that ends a text.
    private const string SecondPadToken = "!";

    private readonly IReadOnlyList<IDisposable> _files;
    private readonly string? _folder;

    /// <param name="path">The file or folder.</param>
    /// <param name="family">What it is.</param>
    /// <param name="components">Its networks.</param>
    /// <param name="index">The text of its <c>model_index.json</c>.</param>
    /// <param name="scheduler">The text of its <c>scheduler_config.json</c>.</param>
    /// <param name="files">The open files, which belong to the result.</param>
    /// <param name="folder">The folder of diffusers' layout, or null for a file.</param>
    internal StableDiffusionCheckpoint(
        string path, ModelFamily family, IEnumerable<StableDiffusionComponent> components, string index, string scheduler, IReadOnlyList<IDisposable> files, string? folder = null)
    {
        Path = path;
        Family = family;
        Components = components.ToDictionary(component => component.Name);
        Index = index;
        Scheduler = scheduler;
        _files = files;
        _folder = folder;
    }

    /// <summary>The file or folder.</summary>
    internal string Path { get; }

    /// <summary>What it is.</summary>
    internal ModelFamily Family { get; }

    /// <summary>Its networks by their folder's name in diffusers' layout (<see cref="SingleFileLayout"/> has the names). A file may lack all but the UNet.</summary>
    internal IReadOnlyDictionary<string, StableDiffusionComponent> Components { get; }

    /// <summary>The text of <c>model_index.json</c>.</summary>
    internal string Index { get; }

    /// <summary>The text of <c>scheduler_config.json</c>.</summary>
    internal string Scheduler { get; }

    /// <summary>
    /// Whether it was taken to predict what it does only for the look of its weights, or as most of its family: files of Stable Diffusion 2 do not tell. Someone who knows better
    /// may say so.
    /// </summary>
    internal bool PredictionIsGuessed { get; init; }

    /// <summary>The UNet's architecture.</summary>
    /// <exception cref="MuralException">Its config cannot be read.</exception>
    internal UNetConfig UNetConfig => UNetConfigJson.Parse(Require(SingleFileLayout.UNet).Config, Describe(SingleFileLayout.UNet));

    /// <summary>The autoencoder's architecture.</summary>
    /// <exception cref="MuralException">There is no autoencoder, or its config cannot be read.</exception>
    internal AutoencoderConfig AutoencoderConfig => AutoencoderConfigJson.Parse(Require(SingleFileLayout.Autoencoder).Config, Describe(SingleFileLayout.Autoencoder));

    /// <summary>What the checkpoint's own scheduler settings say.</summary>
    /// <exception cref="MuralException">They cannot be read, or ask for what is not supported.</exception>
    internal SamplerOptions Sampling => SchedulerConfig.Parse(Scheduler, Describe(FolderLayout.SchedulerFolder));

    /// <summary>Whether a missing negative prompt stands for zeros rather than for an empty text, as for SDXL.</summary>
    /// <exception cref="MuralException">The list of parts cannot be read.</exception>
    internal bool ZerosForNoNegative =>
        FolderLayout.Parse(Index, Describe(ModelFolder.IndexName))["force_zeros_for_empty_prompt"] is JsonValue value && value.TryGetValue(out bool zeros) && zeros;

    /// <summary>Opens a model of either layout.</summary>
    /// <param name="path">A folder of diffusers' layout, or a file of the original layout.</param>
    /// <param name="variant">The variant wanted where a folder has several, such as fp16, or null for the plain one.</param>
    /// <param name="prediction">What the model of a file predicts, from someone who knows: its size and its sampler go with that; null for what it tells.</param>
    /// <exception cref="MuralException">There is none, a part that it names is missing, or it is another model.</exception>
    internal static StableDiffusionCheckpoint Open(string path, string? variant = null, PredictionType? prediction = null)
    {
        ArgumentNullException.ThrowIfNull(path);
        return FolderLayout.Is(path) ? FolderLayout.Open(path, variant) : SingleFileModel.Open(path, prediction);
    }

    /// <summary>A network of it.</summary>
    /// <exception cref="MuralException">It has none.</exception>
    internal StableDiffusionComponent Require(string component) => Components.TryGetValue(component, out StableDiffusionComponent? found)
        ? found
        : throw new MuralException($"{Path} has no {component}; it holds {string.Join(", ", Components.Keys.Order(StringComparer.Ordinal))}, "
            + $"so give {(component == SingleFileLayout.Autoencoder ? "an autoencoder with --vae, or " : "")}a complete checkpoint.");

    /// <summary>Builds the UNet.</summary>
    /// <param name="type">Type of the weights in memory; they go straight into it from the file.</param>
    /// <param name="device">Where the parameters live, or null for the CPU.</param>
    /// <exception cref="MuralException">The weights do not fit the config.</exception>
    internal UNet2DConditionModel LoadUNet(ScalarType type = ScalarType.Float32, Device? device = null)
    {
        var network = new UNet2DConditionModel(UNetConfig, new LayerFactory(type, Initialize: false, device));
        return ModelFolder.Loaded(network, () => network.Load(Require(SingleFileLayout.UNet).Weights));
    }

    /// <summary>Builds the autoencoder.</summary>
    /// <param name="type">Type of the weights in memory; they go straight into it from the file.</param>
    /// <param name="device">Where the parameters live, or null for the CPU.</param>
    /// <exception cref="MuralException">There is none, or the weights do not fit the config.</exception>
    internal AutoencoderKL LoadAutoencoder(ScalarType type = ScalarType.Float32, Device? device = null)
    {
        var autoencoder = new AutoencoderKL(AutoencoderConfig, new LayerFactory(type, Initialize: false, device));
        return ModelFolder.Loaded(autoencoder, () => autoencoder.Load(Require(SingleFileLayout.Autoencoder).Weights));
    }

    /// <summary>Builds a text encoder.</summary>
    /// <param name="component"><c>text_encoder</c> or <c>text_encoder_2</c>.</param>
    /// <param name="type">Type of the weights in memory; they go straight into it from the file.</param>
    /// <param name="device">Where the parameters live, or null for the CPU.</param>
    /// <exception cref="MuralException">There is none, or the weights do not fit the config.</exception>
    internal ClipTextEncoder LoadTextEncoder(string component, ScalarType type = ScalarType.Float32, Device? device = null)
    {
        StableDiffusionComponent found = Require(component);
        return ClipTextEncoder.FromSource(found.Weights, ClipTextConfig.Parse(found.Config, Describe(component)), type, device);
    }

    /// <summary>The tokenizer that belongs to a text encoder: a folder's own; for a file, the vocabulary that all of them share (<see cref="ClipVocabularyLocation"/>).</summary>
    /// <param name="component"><c>text_encoder</c> or <c>text_encoder_2</c>.</param>
    /// <exception cref="MuralException">There is no vocabulary, or it is malformed.</exception>
    internal ClipTokenizer LoadTokenizer(string component)
    {
        if (_folder is not null) return ClipTokenizerFolder.Read(TokenizerFolder(_folder, component));
        return new ClipTokenizer(ClipVocabularyFiles.Read(ClipVocabularyLocation.Find(Path)), PadToken(component), WindowLength(component));
    }

    /// <summary>Tokens that a text encoder sees at once: as many as it has positions.</summary>
    internal int WindowLength(string component) => ClipTextConfig.Parse(Require(component).Config, Describe(component)).Positions;

    /// <summary>The folder with a text encoder's tokenizer files, or null for a model in a file.</summary>
    internal string? OwnTokenizerFolder(string component) => _folder is null ? null : TokenizerFolder(_folder, component);

    /// <summary>Where a model's folder has the tokenizer of a text encoder: <c>tokenizer</c> or <c>tokenizer_2</c>.</summary>
    internal static string TokenizerFolder(string folder, string component) =>
        System.IO.Path.Combine(folder, component.Replace(SingleFileLayout.TextEncoder, "tokenizer", StringComparison.Ordinal));

    /// <summary>What fills a text encoder's windows up where no file says it (spec 1.2).</summary>
    internal string PadToken(string component) =>
        component == SingleFileLayout.SecondTextEncoder || Family == ModelFamily.StableDiffusion2 ? SecondPadToken : ClipVocabulary.EndToken;

    /// <summary>Closes the files.</summary>
    public void Dispose()
    {
        foreach (IDisposable file in _files) file.Dispose();
    }

    private string Describe(string component) => _folder is null ? $"{Path} ({component})" : System.IO.Path.Combine(_folder, component);
}
