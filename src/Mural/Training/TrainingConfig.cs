using System.Text.Json;
using Mural.Runtime;
using Mural.Training.Data;

namespace Mural.Training;

/// <summary>What every training run has, read from a JSON file; paths in it are relative to that file.</summary>
public abstract record TrainingConfig
{
    /// <summary><c>vae</c>, <c>dim</c>, <c>unet</c>, <c>linfusion</c> or <c>judge</c>.</summary>
    public string Kind { get; init; } = "";

    /// <summary>Folder of the run: checkpoints, log, sheets and the result.</summary>
    public string Run { get; init; } = "";

    /// <summary>Seed of the weights, the order of the pictures and all noise.</summary>
    public long Seed { get; init; } = 1234;

    /// <summary>The pictures.</summary>
    public DataConfig Data { get; init; } = new();

    /// <summary>
    /// Type that the network computes in; its weights are float32 in any case. <see cref="Runtime.Precision.BFloat16"/> or <see cref="Runtime.Precision.Float32"/>; null for the
    /// faster one on the device.
    /// </summary>
    public Precision? Precision { get; init; }

    /// <summary>
    /// Device that trains, by PyTorch's name (<c>cpu</c>, <c>cuda</c>, <c>cuda:1</c>, <c>mps</c>); <c>auto</c> takes the first CUDA device where there is one, else the CPU.
    /// </summary>
    public string Device { get; init; } = "auto";

    /// <summary>The weights that a new run starts from, relative to the settings file; null to start from none.</summary>
    internal virtual string? Start => null;

    /// <summary>Pictures in one forward pass.</summary>
    public int Batch { get; init; } = 32;

    /// <summary>Forward passes whose gradients make one update: an update sees <see cref="Batch"/> times this many pictures.</summary>
    public int Accumulation { get; init; } = 1;

    /// <summary>Updates that the run ends after; null where only <see cref="MaxMinutes"/> counts.</summary>
    public long? Steps { get; init; }

    /// <summary>
    /// Minutes of training that the run ends after, even if <see cref="Steps"/> are not reached; the learning rate has decayed by then. A run
    /// with a time budget depends on the machine's speed and is not repeatable bit for bit.
    /// </summary>
    public double? MaxMinutes { get; init; }

    /// <summary>The optimiser.</summary>
    public OptimizerConfig Optimizer { get; init; } = new();

    /// <summary>The learning rate's shape.</summary>
    public ScheduleConfig Schedule { get; init; } = new();

    /// <summary>The weights' moving average, which is what a run results in.</summary>
    public EmaConfig Ema { get; init; } = new();

    /// <summary>Minutes between checkpoints.</summary>
    public double CheckpointMinutes { get; init; } = 3;

    /// <summary>Minutes between sample sheets; 0 for none but the last.</summary>
    public double SheetMinutes { get; init; } = 5;

    /// <summary>Updates between lines of the log.</summary>
    public int LogSteps { get; init; } = 10;

    /// <summary>Pictures that one update sees.</summary>
    internal int StepSamples => Batch * Accumulation;

    /// <summary>Where the settings were read from.</summary>
    internal string SettingsPath { get; init; } = "";

    /// <summary>Reads a settings file of any kind.</summary>
    /// <exception cref="MuralException">The file is missing, not JSON, or has an unknown key or an impossible value.</exception>
    public static TrainingConfig Read(string path)
    {
        using JsonDocument document = Settings.Parse(path);
        JsonElement root = document.RootElement;
        string? kind = root.ValueKind == JsonValueKind.Object && root.TryGetProperty("kind", out JsonElement k) && k.ValueKind == JsonValueKind.String ? k.GetString() : null;
        TrainingConfig config = kind switch
        {
            "vae" => Settings.Read<VaeTrainingConfig>(root, path),
            "dim" => Settings.Read<DiMTrainingConfig>(root, path),
            "unet" => Settings.Read<UNetTrainingConfig>(root, path),
            "linfusion" => Settings.Read<LinFusionTrainingConfig>(root, path),
            "judge" => Settings.Read<JudgeTrainingConfig>(root, path),
            _ => throw new MuralException($"'{path}' has the kind '{kind}'; \"kind\": \"vae\", \"dim\", \"unet\", \"linfusion\" or \"judge\" is expected."),
        };
        config = config with { SettingsPath = Path.GetFullPath(path) };
        config.Check();
        return config;
    }

    /// <summary>Finds the device that <see cref="Device"/> names, and the number format for it.</summary>
    /// <exception cref="MuralException">The name is unknown or this machine does not have the device.</exception>
    internal RuntimePlan ChooseRuntime() => RuntimePlan.Choose(new RuntimeOptions { Device = Device == "auto" ? null : Device, Precision = Precision });

    /// <summary>Type that the network computes in, once <see cref="Precision"/> is settled.</summary>
    internal TorchSharp.torch.ScalarType ComputeType => Precision!.Value.ToScalarType();

    /// <summary>Throws for the first impossible value.</summary>
    internal virtual void Check()
    {
        Settings.Given("run", Run, "the folder that the run's files go to");
        if (Steps is null && MaxMinutes is null) throw new MuralException("The settings need 'steps' or 'max_minutes', so that the run has an end.");
        if (Steps is long steps) Settings.InRange("steps", steps, 1, 1e12);
        if (MaxMinutes is double minutes) Settings.Positive("max_minutes", minutes);
        if (Precision == Runtime.Precision.Float16)
            throw new MuralException("The setting 'precision' is float16, whose range is too small for training; bfloat16 or float32 is expected.");
        Settings.InRange("batch", Batch, 1, 65536);
        Settings.InRange("accumulation", Accumulation, 1, 65536);
        Settings.Positive("checkpoint_minutes", CheckpointMinutes);
        Settings.InRange("sheet_minutes", SheetMinutes, 0, 1e6);
        Settings.InRange("log_steps", LogSteps, 1, 1e9);
        Data.Check();
        Optimizer.Check();
        Schedule.Check();
        Ema.Check();
    }
}
