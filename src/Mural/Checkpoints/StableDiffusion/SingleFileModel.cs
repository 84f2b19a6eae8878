using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Mural.Checkpoints.SingleFile;
using Mural.Samplers;
using static TorchSharp.torch;

namespace Mural.Checkpoints.StableDiffusion;

/// <summary>
/// Opens a Stable Diffusion in one file. Such files hold tensors only; those that Mural writes also say in their free text entries what a folder's configs say, so that
/// nothing is lost on the way to a file and back.
/// </summary>
internal static partial class SingleFileModel
{
    /// <summary>Beginning of the entries: <c>mural.unet</c> is the UNet's config, <c>mural.scheduler</c> the scheduler's, <c>mural.model_index</c> the list of parts.</summary>
    internal const string Entry = "mural.";

    internal const string Scheduler = "scheduler", Index = "model_index";

    // Where the training of Stable Diffusion 2 for 512 pixels ended; its successor for 768 pixels, which predicts velocities, went on from there.
    private const long LastStepOfNoise = 875_000;

    // Empty tensors by which later models say how they were trained.
    private const string VelocityMark = "v_pred", ZeroSnrMark = "ztsnr";

    // Of the UNet of full size: its numbers are spread further in models that predict velocities, by which ComfyUI tells them from those that predict noise.
    private const string TellingBias = "up_blocks.3.attentions.2.transformer_blocks.0.norm1.bias";

    private const int TellingWidth = 320;

    private const double SpreadOfVelocities = 0.09;

    // What trainers and other programs write into the free text entries (Stability's model specification, ComfyUI).
    private static readonly string[] PredictionKeys = ["modelspec.prediction_type", "modelspec.predict_key"];

    /// <summary>
    /// The empty tensors that tell how a model was trained where a file holds no configs, or who reads it does not look at them. Stable Diffusion 2 needs none: for it velocities
    /// are what is expected.
    /// </summary>
    internal static IReadOnlyList<string> MarksOf(StableDiffusionCheckpoint model)
    {
        SamplerOptions sampling = SchedulerConfig.Read(FolderLayout.Parse(model.Scheduler, model.Path), model.Path);
        if (model.Family == ModelFamily.StableDiffusion2 || sampling.PredictionType != PredictionType.VPrediction) return [];
        return sampling.RescaleBetasZeroSnr ? [VelocityMark, ZeroSnrMark] : [VelocityMark];
    }

    /// <param name="path">The file.</param>
    /// <param name="prediction">What it predicts, from someone who knows; null for what the file tells.</param>
    /// <exception cref="MuralException">The file cannot be read or is another model.</exception>
    internal static StableDiffusionCheckpoint Open(string path, PredictionType? prediction = null)
    {
        SingleFileCheckpoint file = SingleFileCheckpoint.Open(path);
        try
        {
            return Of(file, prediction);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Adds to an open file, which belongs to the result, what is not in it.</summary>
    internal static StableDiffusionCheckpoint Of(SingleFileCheckpoint file, PredictionType? prediction = null)
    {
        string? Said(string name) => file.Source.Metadata.GetValueOrDefault(Entry + name);
        (bool velocity, bool guessed) = prediction is { } known ? (known == PredictionType.VPrediction, false) : Prediction(file);
        int sampleSize = FamilySettings.SampleSize(file.Family, velocity);
        StableDiffusionComponent[] components =
        [
            .. file.Components.Select(pair => new StableDiffusionComponent(pair.Key, pair.Value, Said(pair.Key) ?? Config(file.Family, pair.Key, pair.Value, sampleSize))),
        ];
        JsonObject scheduler = FamilySettings.Scheduler(file.Family, velocity, file.Source.Tensors.ContainsKey(ZeroSnrMark));
        string type = scheduler["_class_name"]!.GetValue<string>();
        string index = Said(Index) ?? FamilySettings.Index(file.Family, (int)file.InputChannels, file.Components.Keys, type).ToJsonString(ConfigWriter.Indented) + "\n";
        return new StableDiffusionCheckpoint(
            file.Source.Path, file.Family, components, index, Said(Scheduler) ?? scheduler.ToJsonString(ConfigWriter.Indented) + "\n", [file])
        {
            PredictionIsGuessed = guessed && Said(Scheduler) is null,
        };
    }

    private static (bool Velocity, bool Guessed) Prediction(SingleFileCheckpoint file)
    {
        if (file.Source.Tensors.ContainsKey(VelocityMark)) return (true, false);
        foreach (string said in PredictionKeys.Select(key => file.Source.Metadata.GetValueOrDefault(key)).OfType<string>())
        {
            if (said is "v" or "v_prediction") return (true, false);
            if (said is "epsilon" or "eps") return (false, false);
        }
        if (SaidBeside(file.Source.Path) is { } beside) return (beside, false);
        // Of Stable Diffusion 2, the models for inpainting go on from that for 512 pixels.
        if (file.Family != ModelFamily.StableDiffusion2 || file.InputChannels == FamilySettings.InpaintingChannels) return (false, false);
        bool noise = file.Source is TorchFile torch
            && torch.Values.GetValueOrDefault("global_step") is JsonValue value && value.TryGetValue(out long step) && step == LastStepOfNoise;
        return noise ? (false, false) : (LooksLikeVelocity(file.Components[SingleFileLayout.UNet]), true);
    }

    // Settings of the original code in a file of the same name, which A1111 reads too: what says nothing there predicts noise.
    private static bool? SaidBeside(string path)
    {
        string settings = Path.ChangeExtension(path, ".yaml");
        if (!File.Exists(settings)) return null;
        string text = TextFile.Read(settings, path);
        return text.Contains("ldm.models.diffusion", StringComparison.Ordinal) ? VelocitySetting().IsMatch(text) : null;
    }

    /// <summary>Whether a UNet of Stable Diffusion 2 looks as if it predicted velocities; where nothing tells, most of the family do.</summary>
    internal static bool LooksLikeVelocity(ITensorSource unet)
    {
        if (!unet.Tensors.TryGetValue(TellingBias, out TensorEntry? entry) || entry is not { Shape: [TellingWidth], Bytes: > 0 }) return true;
        using Tensor bias = unet.Read(TellingBias, ScalarType.Float64);
        double[] values = bias.data<double>().ToArray();
        double mean = values.Average();
        return Math.Sqrt(values.Average(value => (value - mean) * (value - mean))) > SpreadOfVelocities;
    }

    private static string Config(ModelFamily family, string component, ITensorSource weights, int sampleSize) => component switch
    {
        SingleFileLayout.UNet => ShapeConfigs.UNet(weights, family, sampleSize).ToJson(),
        SingleFileLayout.Autoencoder => ShapeConfigs.Autoencoder(weights, family, 8 * sampleSize).ToJson(),
        SingleFileLayout.TextEncoder => ShapeConfigs.Text(weights, openClip: family == ModelFamily.StableDiffusion2, projected: false).ToJson(),
        _ => ShapeConfigs.Text(weights, openClip: true, projected: true).ToJson(),
    };

    [GeneratedRegex(@"^\s*parameterization\s*:\s*[""']?v[""']?\s*$", RegexOptions.Multiline)]
    private static partial Regex VelocitySetting();
}
