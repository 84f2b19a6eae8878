using System.Globalization;
using Mural.Checkpoints;
using Mural.Runtime;
using static TorchSharp.torch;

namespace Mural.Training;

/// <summary>
/// Runs a task from its newest checkpoint, or from the start, to its end: gradients, clipping, AdamW, moving average, log, sheets, checkpoints.
/// </summary>
internal sealed class TrainingLoop : IDisposable
{
    private readonly TrainingConfig _config;
    private readonly ITrainingTask _task;
    private readonly RunFolder _folder;
    private readonly CheckpointStore _store;
    private readonly Action<TrainingProgress> _progress;
    private readonly WeightUpdate _update;
    private readonly LossLog _log;
    private readonly RunClock _clock;
    private readonly Queue<double> _losses = new();
    private readonly string? _start;
    private long _step, _savedStep = -1;

    internal TrainingLoop(TrainingConfig config, ITrainingTask task, RunFolder folder, Action<TrainingProgress> progress)
    {
        _config = config;
        _task = task;
        _folder = folder;
        _progress = progress;
        _store = new CheckpointStore(folder.Checkpoints);
        using var loaded = new PartialLoad();
        _update = loaded.Add(new WeightUpdate(task.Model, task.Average, config));
        string? start = config.Start is { } given ? Settings.Resolve(config.SettingsPath, given) : null;
        TrainingState? state = Resume(start);
        if (state is null)
        {
            task.Initialise();
            _update.ResetAverage();
        }
        _start = state is null && start is not null ? ContentHash.OfWeights(start) : state?.Start;
        _log = LossLog.Open(folder.Log, _step);
        _clock = new RunClock(config, state?.Seconds ?? 0);
        loaded.Complete();
    }

    /// <summary>Trains until the end or until it is told to stop; either way everything is saved.</summary>
    internal TrainingOutcome Run(CancellationToken cancellation)
    {
        double checkpointAt = _clock.Seconds, sheetAt = _clock.Seconds, loggedAt = _clock.Seconds;
        bool stopped = false;
        while (_clock.Progress(_step) < 1)
        {
            if (stopped = cancellation.IsCancellationRequested) break;
            double rate = _config.Optimizer.LearningRate * _config.Schedule.Factor(_step, _clock.Progress(_step));
            (double loss, double norm, IReadOnlyList<(string, double)> details, bool whole) = Step(rate, cancellation);
            if (stopped = !whole) break;
            Remember(loss);
            double speed = _clock.SamplesPerSecond(_step);
            if (_step % _config.LogSteps == 0 || _clock.Progress(_step) >= 1) Log(loss, norm, rate, speed, details);
            Report(loss, rate, speed);
            if (_config.SheetMinutes > 0 && _clock.Seconds - sheetAt >= 60 * _config.SheetMinutes)
            {
                // A sheet that fails must not cost the steps before it.
                Save();
                checkpointAt = _clock.Seconds;
                WriteSheet(cancellation);
                sheetAt = _clock.Seconds;
            }
            if (_clock.Seconds - checkpointAt >= 60 * _config.CheckpointMinutes)
            {
                Save();
                checkpointAt = _clock.Seconds;
            }
        }
        Save();
        bool finished = !stopped && WriteSheet(cancellation);
        return new TrainingOutcome(finished, _step, _losses.Count > 0 ? _losses.Average() : null, _folder.Path, _folder.Result);
    }

    // One update. It is not made at all when the run is told to stop between its parts.
    private (double Loss, double Norm, IReadOnlyList<(string, double)> Details, bool Whole) Step(double rate, CancellationToken cancellation)
    {
        double loss = 0;
        IReadOnlyList<(string, double)> details;
        _update.Optimizer.ClearGradients();
        using (ITrainingStep drawn = _task.Draw(_step))
        {
            for (int part = 0; part < _config.Accumulation; part++)
            {
                if (cancellation.IsCancellationRequested) return (0, 0, [], false);
                using var scope = NewDisposeScope();
                Tensor mean = drawn.Loss(part);
                (mean / _config.Accumulation).backward();
                loss += mean.item<float>() / (double)_config.Accumulation;
            }
            details = drawn.Details;
        }
        double norm = _update.Make(_step, rate, loss);
        _step++;
        return (loss, norm, details, true);
    }

    private void Log(double loss, double norm, double rate, double speed, IReadOnlyList<(string, double)> details) => _log.Add(_step,
    [
        ("samples", _step * _config.StepSamples), ("loss", loss), ("grad_norm", norm), ("learning_rate", rate),
        ("samples_per_second", speed), ("seconds", _clock.Seconds), .. details,
    ]);

    private void Report(double loss, double rate, double speed, string? message = null) => _progress(new TrainingProgress(
        _step, _config.Steps, _clock.Progress(_step), loss, rate, speed, _clock.Left(_step, speed), message));

    private void Remember(double loss)
    {
        if (!double.IsFinite(loss)) return;
        _losses.Enqueue(loss);
        if (_losses.Count > 100) _losses.Dequeue();
    }

    // Says whether it was not cut short.
    private bool WriteSheet(CancellationToken cancellation)
    {
        try
        {
            string path = Path.Combine(_folder.Sheets, $"step-{_step:D9}.png");
            IReadOnlyList<(string Name, double Value)> measured = _task.WriteSheet(path, cancellation);
            _task.WriteResult(_folder.Result, cancellation);
            LossPlot.Write(_folder.LossPlot, _log.Points);
            if (measured.Count > 0) _log.Add(_step, measured);
            string numbers = string.Join(", ", measured.Select(m => string.Create(CultureInfo.InvariantCulture, $"{m.Name} {m.Value:F2}")));
            Report(_losses.Count > 0 ? _losses.Average() : double.NaN, 0, 0, numbers.Length > 0 ? $"{path}: {numbers}" : path);
            return true;
        }
        catch (OperationCanceledException)
        {
            // The run stops at the next step; its last checkpoint has everything.
            return false;
        }
    }

    private void Save()
    {
        if (_savedStep == _step) return;
        var state = new TrainingState { Step = _step, OptimizerStep = _update.Optimizer.Step, Seconds = _clock.Seconds, Identity = _task.Identity, Start = _start };
        _store.Save(state, new Dictionary<string, IReadOnlyDictionary<string, Tensor>>
        {
            ["model"] = ModuleWeights.Places(_task.Model),
            ["ema"] = ModuleWeights.Places(_task.Average),
            ["optimizer"] = _update.Optimizer.State.ToDictionary(s => s.Name, s => s.Value),
        });
        _savedStep = _step;
    }

    private TrainingState? Resume(string? start)
    {
        if (_store.Newest(message => _progress(new TrainingProgress(0, _config.Steps, 0, double.NaN, 0, 0, TimeSpan.Zero, message))) is not var (state, folder)) return null;
        if (state.Identity != _task.Identity)
            throw new MuralException(
                $"The run in '{_folder.Path}' was made with other settings ({state.Identity}) than these ({_task.Identity}); go on with its own, or choose another 'run'.");
        // What the weights came from may be gone by now, but where it was trained anew the run would hide it.
        if (state.Start is { } before && start is not null && ContentHash.OfWeights(start) is { } now && now != before)
            throw new MuralException($"The run in '{_folder.Path}' began from other weights than '{start}' holds now; "
                + $"delete the run or choose another 'run' to begin from these, or take 'initialise_from' out to go on with it.");
        Load(_task.Model, Path.Combine(folder, "model.safetensors"));
        Load(_task.Average, Path.Combine(folder, "ema.safetensors"));
        using SafetensorsFile moments = SafetensorsFile.Open(Path.Combine(folder, "optimizer.safetensors"));
        foreach ((string name, Tensor value) in _update.Optimizer.State) moments.CopyInto(name, value);
        _update.Optimizer.Step = state.OptimizerStep;
        _step = _savedStep = state.Step;
        return state;
    }

    private static void Load(nn.Module module, string path)
    {
        using SafetensorsFile file = SafetensorsFile.Open(path);
        ModuleWeights.Load(module, file);
    }

    public void Dispose() => _update.Dispose();
}
