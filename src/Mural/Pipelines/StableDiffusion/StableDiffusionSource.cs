using Mural.Adapters.Lora;
using Mural.Checkpoints;
using Mural.Checkpoints.SingleFile;
using Mural.Checkpoints.StableDiffusion;
using Mural.Runtime;
using Mural.Samplers;
using Mural.Text;
using Mural.UNet;
using static TorchSharp.torch;

namespace Mural.Pipelines;

/// <summary>Where the parts of a model come from: a folder as diffusers keeps it, or a file of the original layout. Files are open only while something is loaded.</summary>
internal sealed class StableDiffusionSource
{
    // What pipelines for these families are called; whatever else they do, they are made of the same components.
    private static readonly string[] Families = ["StableDiffusion", "LatentConsistencyModel"];

    // Pipelines whose names begin alike, but whose networks or components are others.
    private static readonly string[] Others =
    [
        "StableDiffusion3", "StableDiffusionUpscale", "StableDiffusionLatentUpscale", "StableDiffusionDepth2Img", "StableDiffusionImageVariation",
        "StableDiffusionInstructPix2Pix", "StableDiffusionXLInstructPix2Pix",
    ];

    private readonly string _path;
    private readonly StableDiffusionOptions _options;
    private readonly RuntimePlan _runtime;

    /// <exception cref="MuralException">The folder holds another kind of model.</exception>
    internal StableDiffusionSource(string path, StableDiffusionOptions options, RuntimePlan runtime)
    {
        (_path, _options, _runtime) = (path, options, runtime);
        if (!File.Exists(Path.Combine(path, ModelFolder.IndexName))) return;
        string name = DiffusersIndex.Open(path).ClassName;
        if (!Families.Any(family => name.StartsWith(family, StringComparison.Ordinal)) || Others.Any(other => name.StartsWith(other, StringComparison.Ordinal)))
            throw new MuralException($"{path} holds a {name}, but only models of Stable Diffusion 1, 2 and XL can be painted with; give another one.");
    }

    /// <summary>What people call the model: its folder's name, or its file's without the extension.</summary>
    internal string Name => Directory.Exists(_path) ? FolderName(_path) : Path.GetFileNameWithoutExtension(_path);

    /// <summary>What people call the LinFusion checkpoint, or null for none.</summary>
    internal string? LinFusionName => _options.LinFusion is { } folder ? FolderName(folder) : null;

    /// <summary>What is not used of the LoRAs that were merged.</summary>
    internal IReadOnlyList<string> LoraWarnings { get; private set; } = [];

    /// <summary>Which files the model is made of, LoRAs that are merged for good among them.</summary>
    internal IReadOnlyList<string> Files() =>
    [
        FileMark.Of(_path, FolderLayout.Parts),
        _options.Variant ?? "",
        .. new[] { _options.Autoencoder, _options.LinFusion }.Select(path => path is null ? "" : FileMark.Of(path)),
        .. _options.TextualInversions.Select(path => FileMark.Of(path)),
        .. OpenLoras.Marks(_options.Loras),
    ];

    /// <exception cref="MuralException">It is no Stable Diffusion, or a part is missing or malformed.</exception>
    internal StableDiffusionCheckpoint Open() => StableDiffusionCheckpoint.Open(_path, _options.Variant, _options.Prediction);

    /// <summary>How the model is sampled.</summary>
    internal SamplerOptions Sampling(StableDiffusionCheckpoint checkpoint)
    {
        SamplerOptions sampling = checkpoint.Family < ModelFamily.StableDiffusionXL ? checkpoint.Sampling.RepairForStableDiffusion() : checkpoint.Sampling;
        return _options.Prediction is { } prediction ? sampling with { PredictionType = prediction } : sampling;
    }

    /// <summary>What may have been taken for granted wrongly, or null.</summary>
    internal string? Doubt(StableDiffusionCheckpoint checkpoint)
    {
        if (!checkpoint.PredictionIsGuessed) return null;
        (string taken, string other) = checkpoint.Sampling.PredictionType == PredictionType.VPrediction ? ("velocities", "noise") : ("noise", "velocities");
        return $"{Name} does not say whether it predicts noise or velocities, and is taken to predict {taken}, as its weights suggest: "
            + $"if pictures are grey or noisy, say that it predicts {other} (--prediction {(other == "noise" ? "eps" : "v")}).";
    }

    /// <summary>The UNet, ready for inference.</summary>
    internal UNet2DConditionModel LoadUNet(StableDiffusionCheckpoint checkpoint)
    {
        UNet2DConditionModel unet = checkpoint.LoadUNet(_runtime.Type, _runtime.Device);
        return ModelFolder.Loaded(unet, () =>
        {
            // Before LoRAs, whose change of the self-attentions would go with these.
            if (_options.LinFusion is { } attentions) unet.LoadLinFusion(attentions, _options.Variant);
            MergeLoras(new Dictionary<string, nn.Module> { [SingleFileLayout.UNet] = unet }, TextEncodersOf(checkpoint.Family));
            unet.PrepareForInference(_runtime.Kernels, _runtime.Type);
        });
    }

    /// <summary>The autoencoder, ready for inference: the model's own, unless another was asked for.</summary>
    internal PictureCodec LoadAutoencoder(StableDiffusionCheckpoint checkpoint) => _options.Autoencoder is { } other
        ? PictureCodecs.Load(other, checkpoint.Family, _runtime, _options)
        : new FullCodec(checkpoint.LoadAutoencoder(_runtime.TypeFor(checkpoint.AutoencoderConfig), _runtime.Device), _runtime, _options.DecodeMemory);

    /// <summary>The text encoders, ready for inference.</summary>
    internal IReadOnlyList<TextStage> LoadTextEncoders()
    {
        using StableDiffusionCheckpoint checkpoint = Open();
        bool xl = checkpoint.Family >= ModelFamily.StableDiffusionXL;
        string[] names = TextEncodersOf(checkpoint.Family);
        var stages = new List<TextStage>();
        try
        {
            foreach (string name in names)
            {
                // Whoever mixes families lacks the encoder; that its tokenizer is not there either tells less.
                checkpoint.Require(name);
                ClipTokenizer tokenizer = checkpoint.LoadTokenizer(name);
                ClipTextEncoder encoder = checkpoint.LoadTextEncoder(name, _runtime.Type, _runtime.Device);
                stages.Add(new TextStage(name, tokenizer, encoder, xl ? HiddenState.Penultimate : HiddenState.Last));
            }
            MergeLoras(stages.ToDictionary(stage => stage.Name, stage => (nn.Module)stage.Encoder), [SingleFileLayout.UNet]);
            foreach (TextStage stage in stages) stage.Encoder.PrepareForInference(_runtime.Kernels, _runtime.Type);
            return stages;
        }
        catch
        {
            foreach (TextStage stage in stages) stage.Encoder.Dispose();
            throw;
        }
    }

    private static string FolderName(string folder) => Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder)));

    // SDXL's refiner has the second encoder only.
    private static string[] TextEncodersOf(ModelFamily family) => family switch
    {
        ModelFamily.StableDiffusionXL => [SingleFileLayout.TextEncoder, SingleFileLayout.SecondTextEncoder],
        ModelFamily.StableDiffusionXLRefiner => [SingleFileLayout.SecondTextEncoder],
        _ => [SingleFileLayout.TextEncoder],
    };

    // Before weights are packed; text encoders may come and go while the UNet stays.
    private void MergeLoras(IReadOnlyDictionary<string, nn.Module> networks, string[] elsewhere)
    {
        if (_options.Loras.Count == 0) return;
        using var loras = new OpenLoras(_options.Loras);
        new LoraMerge(networks, elsewhere).ApplyForGood(loras.Weighted);
        LoraWarnings = loras.Warnings;
    }
}
