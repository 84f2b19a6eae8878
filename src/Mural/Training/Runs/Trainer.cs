using Mural.Runtime;
using Mural.Training.Data;
using static TorchSharp.torch;

namespace Mural.Training;

/// <summary>Trains a model as a settings file says.</summary>
public static class Trainer
{
    /// <summary>Starts a run, or goes on with it where its folder holds a checkpoint.</summary>
    /// <param name="settingsPath">The JSON settings file.</param>
    /// <param name="progress">Called after every step, on the training thread.</param>
    /// <param name="cancellation">Ends the run within a step; everything is saved, and the same call goes on from there.</param>
    /// <returns>How the run ended.</returns>
    /// <exception cref="MuralException">The settings or the data are wrong, or another process trains into the same folder.</exception>
    /// <exception cref="OperationCanceledException">It was ended before the first step, while the pictures were still being prepared.</exception>
    public static TrainingOutcome Run(string settingsPath, Action<TrainingProgress>? progress = null, CancellationToken cancellation = default) =>
        Run(TrainingConfig.Read(settingsPath), progress, cancellation);

    internal static TrainingOutcome Run(TrainingConfig config, Action<TrainingProgress>? progress, CancellationToken cancellation)
    {
        Action<TrainingProgress> tell = progress ?? (_ => { });
        void Report(string message) => tell(new TrainingProgress(0, config.Steps, 0, double.NaN, 0, 0, TimeSpan.Zero, message));
        RuntimePlan runtime = config.ChooseRuntime();
        if (config.Precision is null) Report($"computing in {runtime.Precision.ShortName()}: {runtime.PrecisionReason}");
        config = config with { Precision = runtime.Precision };
        using RunFolder folder = RunFolder.Take(Settings.Resolve(config.SettingsPath, config.Run));
        using ITrainingTask task = Create(config, runtime.Device, Report, cancellation);
        using var loop = new TrainingLoop(config, task, folder, tell);
        folder.KeepSettings(config.SettingsPath);
        return loop.Run(cancellation);
    }

    private static ITrainingTask Create(TrainingConfig config, Device device, Action<string> report, CancellationToken cancellation)
    {
        if (config is LinFusionTrainingConfig linFusion) return new LinFusionTask(linFusion, device, report, cancellation);
        using var loaded = new PartialLoad();
        PictureSet pictures = loaded.Add(PictureSet.Open(config.Data, config.SettingsPath, report, cancellation));
        ITrainingTask task = config switch
        {
            VaeTrainingConfig vae => new VaeTask(vae, pictures, device),
            UNetTrainingConfig unet => new UNetTask(unet, pictures, device, report, cancellation),
            DiMTrainingConfig dim => new DiMTask(dim, pictures, device, report, cancellation),
            JudgeTrainingConfig judge => new JudgeTask(judge, pictures, device),
            _ => throw new InvalidOperationException($"No task trains settings of the type {config.GetType().Name}."),
        };
        loaded.Complete();
        return task;
    }
}
