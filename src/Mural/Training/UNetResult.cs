using System.Text.Json.Nodes;
using Mural.Checkpoints;
using Mural.Checkpoints.SingleFile;
using Mural.Checkpoints.StableDiffusion;
using Mural.Layers.Clip;
using Mural.Pipelines;
using Mural.Samplers;
using Mural.Text;
using static TorchSharp.torch;

namespace Mural.Training;

/// <summary>A trained UNet with everything that it needs as a folder of diffusers' layout, which <c>mural generate --model</c> and other programs take.</summary>
internal static class UNetResult
{
    private const string SchedulerClass = "DPMSolverMultistepScheduler";

    /// <summary>How a model of these settings is sampled: what its <c>scheduler_config.json</c> says.</summary>
    internal static SamplerOptions Sampling(PredictionType prediction) => SchedulerConfig.Read(Scheduler(prediction), "the training's scheduler").RepairForStableDiffusion();

    internal static void Write(string folder, TextToImageNetwork network, ClipVocabulary vocabulary, UNetTrainingConfig config, CancellationToken cancellation)
    {
        ResultFolder.CopyFiles(Settings.Resolve(config.SettingsPath, config.Autoencoder), Path.Combine(folder, SingleFileLayout.Autoencoder));
        ModelFolder.Save(network.UNet, network.UNet.Config.ToJson(), Path.Combine(folder, SingleFileLayout.UNet), ScalarType.Float16, cancellation: cancellation);
        network.TextEncoder.Save(Path.Combine(folder, SingleFileLayout.TextEncoder), ScalarType.Float16);
        ClipTokenizerFolder.Write(vocabulary, ClipVocabulary.EndToken, Tokenizer(folder), config.Text.MaxLength);
        AtomicFile.WriteText(Path.Combine(folder, FolderLayout.SchedulerFolder, FolderLayout.SchedulerName), Scheduler(config.Prediction).ToJsonString(ConfigWriter.Indented) + "\n");
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
    /// <exception cref="MuralException">A file is missing or malformed, or the networks have other sizes.</exception>
    internal static void ReadWeights(string folder, TextToImageNetwork network)
    {
        using ITensorSource unet = ModelFolder.OpenWeights(Path.Combine(folder, SingleFileLayout.UNet));
        using ITensorSource text = ClipFiles.OpenWeights(Path.Combine(folder, SingleFileLayout.TextEncoder), variant: null);
        network.UNet.Load(unet);
        ModuleWeights.Load(network.TextEncoder, text);
    }

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
