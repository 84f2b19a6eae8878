using System.Text.Json.Nodes;
using Mural.Checkpoints;
using Mural.Checkpoints.SingleFile;
using Mural.Checkpoints.StableDiffusion;
using Mural.Layers.Clip;
using Mural.Pipelines;
using Mural.Samplers;
using Mural.Text;
using Mural.UNet;
using static TorchSharp.torch;

namespace Mural.Training;

/// <summary>A trained UNet with everything that it needs as a folder of diffusers' layout, which <c>mural generate --model</c> and other programs take.</summary>
internal static class UNetResult
{
    private const string SchedulerClass = "DPMSolverMultistepScheduler";

    // What configs say of the settings, those first that others follow from.
    private static readonly (string Key, string Setting)[] Decided =
    [
        ("block_out_channels", "model.block_out_channels"), ("layers_per_block", "model.layers_per_block"), ("down_block_types", "model.attention"),
        ("attention_head_dim", "model.head_channels"), ("transformer_layers_per_block", "model.transformer_layers"), ("norm_num_groups", "model.norm_num_groups"),
        ("in_channels", "autoencoder"), ("cross_attention_dim", "text.width"), ("hidden_size", "text.width"), ("num_hidden_layers", "text.layers"),
        ("num_attention_heads", "text.heads"), ("max_position_embeddings", "text.max_length"),
    ];

    // What the same weights may differ in.
    private static readonly string[] Free = ["sample_size", "upcast_attention", "bos_token_id", "pad_token_id"];

    /// <summary>How a model of these settings is sampled: what its <c>scheduler_config.json</c> says.</summary>
    internal static SamplerOptions Sampling(PredictionType prediction) => SchedulerConfig.Read(Scheduler(prediction), "the training's scheduler").RepairForStableDiffusion();

    /// <summary>Creates or replaces a result: its networks belong together, so that a run that is ended meanwhile leaves those of before.</summary>
    internal static void Write(string folder, TextToImageNetwork network, ClipVocabulary vocabulary, UNetTrainingConfig config, CancellationToken cancellation) =>
        StagedFolder.Write(folder, staged => WriteParts(staged, network, vocabulary, config, cancellation));

    private static void WriteParts(string folder, TextToImageNetwork network, ClipVocabulary vocabulary, UNetTrainingConfig config, CancellationToken cancellation)
    {
        ResultFolder.CopyFiles(Settings.Resolve(config.SettingsPath, config.Autoencoder), Path.Combine(folder, SingleFileLayout.Autoencoder));
        ModelFolder.Save(network.UNet, network.UNet.Config.ToJson(), Path.Combine(folder, SingleFileLayout.UNet), ScalarType.Float16, cancellation: cancellation);
        network.TextEncoder.Save(Path.Combine(folder, SingleFileLayout.TextEncoder), ScalarType.Float16);
        ClipTokenizerFolder.Write(vocabulary, ClipVocabulary.EndToken, Tokenizer(folder), config.Text.MaxLength);
        AtomicFile.WriteText(
            Path.Combine(folder, FolderLayout.SchedulerFolder, FolderLayout.SchedulerName), Scheduler(config.Prediction).ToJsonString(ConfigWriter.Indented) + "\n");
        string[] parts = [SingleFileLayout.UNet, SingleFileLayout.Autoencoder, SingleFileLayout.TextEncoder];
        JsonObject index = FamilySettings.Index(ModelFamily.StableDiffusion1, network.UNet.Config.InChannels, parts, SchedulerClass);
        index[DiffusersIndex.Steps] = config.Sheet.Steps;
        index[DiffusersIndex.Guidance] = config.Sheet.Guidance;
        AtomicFile.WriteText(Path.Combine(folder, ModelFolder.IndexName), index.ToJsonString(ConfigWriter.Indented) + "\n");
    }

    /// <summary>The vocabulary of a result.</summary>
    /// <exception cref="MuralException">It has none.</exception>
    internal static ClipVocabulary ReadVocabulary(string folder) => ClipVocabularyFiles.Read(Tokenizer(folder));

    /// <summary>Replaces the weights of both networks by a result's.</summary>
    /// <param name="folder">The result.</param>
    /// <param name="network">The networks.</param>
    /// <param name="prediction">What they are trained to predict.</param>
    /// <exception cref="MuralException">A file is missing or malformed, or the result's are other networks.</exception>
    internal static void ReadWeights(string folder, TextToImageNetwork network, PredictionType prediction)
    {
        string unetFolder = Path.Combine(folder, SingleFileLayout.UNet), textFolder = Path.Combine(folder, SingleFileLayout.TextEncoder);
        RequireSame("UNet", folder, UNetConfig.Read(unetFolder).ToJson(), network.UNet.Config.ToJson());
        RequireSame("text encoder", folder, ClipTextConfig.Read(textFolder).ToJson(), network.TextEncoder.Config.ToJson());
        PredictionType stored = SchedulerConfig.Read(Path.Combine(folder, FolderLayout.SchedulerFolder)).PredictionType;
        if (stored != prediction)
            throw new MuralException($"The UNet in '{folder}' predicts {EnumNames.Of(stored)}, but the setting 'prediction' is {EnumNames.Of(prediction)}; "
                + $"change it, or name another 'initialise_from'.");
        using ITensorSource unet = ModelFolder.OpenWeights(unetFolder);
        using ITensorSource text = ClipFiles.OpenWeights(textFolder, variant: null);
        network.UNet.Load(unet);
        ModuleWeights.Load(network.TextEncoder, text);
    }

    // Weights of one shape may mean different things: heads and groups of norms have none of their own.
    private static void RequireSame(string part, string folder, string stored, string made)
    {
        JsonObject there = JsonNode.Parse(stored)!.AsObject(), here = JsonNode.Parse(made)!.AsObject();
        string[] keys = [.. Decided.Select(known => known.Key), .. here.Select(entry => entry.Key)];
        if (Array.Find(keys, key => !Free.Contains(key) && !JsonNode.DeepEquals(there[key], here[key])) is not { } other) return;
        string? setting = Array.Find(Decided, known => known.Key == other).Setting;
        throw new MuralException(
            $"The {part} in '{folder}' has {other} {Said(there[other])}, but {(setting is null ? "a training" : $"the setting '{setting}'")} makes it {Said(here[other])}; "
                + $"{(setting is null ? "" : "change it, or ")}name another 'initialise_from'.");
    }

    private static string Said(JsonNode? value) => value?.ToJsonString() ?? "null";

    private static string Tokenizer(string folder) => StableDiffusionCheckpoint.TokenizerFolder(folder, SingleFileLayout.TextEncoder);

    private static JsonObject Scheduler(PredictionType prediction)
    {
        JsonObject json = FamilySettings.Scheduler(ModelFamily.StableDiffusion1, velocity: false, zeroTerminalSnr: false);
        json["_class_name"] = SchedulerClass;
        json["prediction_type"] = prediction switch
        {
            PredictionType.VPrediction => "v_prediction",
            PredictionType.Sample => "sample",
            _ => "epsilon",
        };
        // From the last training step on, where nothing is left of the picture.
        json["timestep_spacing"] = "trailing";
        return json;
    }
}
