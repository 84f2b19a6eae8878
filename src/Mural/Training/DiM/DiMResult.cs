using Mural.Checkpoints;
using Mural.DiM;
using Mural.Pipelines;
using static TorchSharp.torch;

namespace Mural.Training;

/// <summary>Writes a trained DiM as a model folder that <c>mural generate --model</c> takes.</summary>
internal static class DiMResult
{
    internal static void Write(string folder, DiMModel model, DiMTrainingConfig config, IReadOnlyList<string> labels, CancellationToken cancellation)
    {
        string denoiser = Directory.CreateDirectory(Path.Combine(folder, "dim")).FullName;
        ModuleWeights.Save(model, Path.Combine(denoiser, DiMCheckpoint.WeightsName), type: ScalarType.Float16, cancellationToken: cancellation);
        AtomicFile.WriteText(Path.Combine(denoiser, ModelFolder.ConfigName), model.Config.ToJson());
        if (config.Autoencoder is not null) ResultFolder.CopyFiles(Settings.Resolve(config.SettingsPath, config.Autoencoder), Path.Combine(folder, "vae"));
        // A model of classes keeps their names too, for people: its prompt is the number of the line, from 0.
        string names = config.Vocabulary is not null ? "vocabulary.txt" : "classes.txt";
        if (labels.Count > 0) AtomicFile.WriteText(Path.Combine(folder, names), string.Concat(labels.Select(label => label + "\n")));
        var index = new DiMModelIndex
        {
            Name = Path.GetFileName(Settings.Resolve(config.SettingsPath, config.Run)),
            Autoencoder = config.Autoencoder is null ? null : "vae",
            Vocabulary = config.Vocabulary is null ? null : names,
            DefaultWords = [.. config.StyleWords.Take(1)],
            WordsNeedingDefault = config.StyleWords,
            Guidance = config.Sheet.Guidance,
        };
        AtomicFile.WriteText(Path.Combine(folder, ModelFolder.IndexName), index.ToJson());
    }
}
