using Mural.Autoencoders;
using Mural.Checkpoints;
using Mural.DiM;
using Mural.Imaging;
using Mural.Runtime;
using Mural.Samplers;
using Mural.Training.Data;
using static TorchSharp.torch;

namespace Mural.Training;

/// <summary>Trains a Diffusion Mamba to find the noise in latents or pictures (spec dim.md 4 and 5).</summary>
internal sealed class DiMTask : ITrainingTask
{
    private readonly DiMTrainingConfig _config;
    private readonly PictureSet _pictures;
    private readonly TrainingLatents? _latents;
    private readonly DiMConditions _conditions;
    private readonly SampleOrder _order;
    private readonly DiMModel _model, _average;
    private readonly DiscreteNoiseSchedule? _steps;
    private readonly LinearNoiseSchedule? _times;
    private readonly Device _device;

    internal DiMTask(DiMTrainingConfig config, PictureSet pictures, Device device, Action<string> report, CancellationToken cancellation)
    {
        _config = config;
        _pictures = pictures;
        _device = device;
        _conditions = DiMConditions.Read(config, pictures.Items);
        _order = new SampleOrder(_conditions.Balanced(pictures.Training), config.Seed);
        ScalarType type = config.ComputeType;
        AutoencoderConfig? autoencoder = config.Autoencoder is null ? null : AutoencoderConfig.Read(Settings.Resolve(config.SettingsPath, config.Autoencoder));
        if (autoencoder is not null) config.Data.RequireMultipleOf(autoencoder.Downscale, "autoencoder");
        DiMConfig architecture = config.ToDiMConfig(autoencoder?.LatentChannels ?? 3, config.Data.Size / (autoencoder?.Downscale ?? 1), _conditions.Labels.Count);
        // Encoding the pictures takes long.
        architecture.Check();
        using var loaded = new PartialLoad();
        if (config.Autoencoder is not null)
        {
            _steps = DiscreteNoiseSchedule.ScaledLinear();
            _latents = loaded.Add(TrainingLatents.Open(
                pictures, AutoencoderKL.FromFolder(Settings.Resolve(config.SettingsPath, config.Autoencoder)),
                type, device, config.Data, config.SettingsPath, report, cancellation));
        }
        else
        {
            _times = new LinearNoiseSchedule();
        }
        using var generator = new Generator((ulong)config.Seed);
        _model = loaded.Add(new DiMModel(architecture, generator, device) { ComputeType = type });
        _average = loaded.Add(new DiMModel(architecture, device) { ComputeType = type });
        loaded.Complete();
    }

    public nn.Module Model => _model;

    public nn.Module Average => _average;

    public string Identity => string.Create(System.Globalization.CultureInfo.InvariantCulture,
        $"dim {_config.Model.Width}x{_config.Model.Blocks} patch {_config.Model.PatchSize} states {_config.Model.DState} pads {_config.Model.PadLen} {_config.Model.PadLayout}, "
            + $"seed {_config.Seed}, batch {_config.StepSamples}, labels {_conditions.Key}, "
            + $"split {_pictures.SplitKey}{(_config.Balance > 0 ? $", balance {_config.Balance}" : "")}, "
            + $"data {_latents?.Key ?? _pictures.Key + (_config.Data.Flip ? "-mirrored" : "")}");

    public void Initialise()
    {
        if (_config.InitialiseFrom is not null) LoadWeights(Settings.Resolve(_config.SettingsPath, _config.InitialiseFrom));
        if (_config.LabelNoise > 0 && _conditions.Labels.Count > 0) SpreadLabels();
    }

    private void LoadWeights(string given)
    {
        string[] inFolder = [Path.Combine(given, "dim", DiMCheckpoint.WeightsName), Path.Combine(given, DiMCheckpoint.WeightsName)];
        using ITensorSource source = Checkpoint.Open(inFolder.FirstOrDefault(File.Exists) ?? given);
        ModuleWeights.Load(_model, source, adapt: (name, stored, wanted) => DiMCheckpoint.ResizePositions(name, stored, wanted, _model.Config.TrainedGrid));
    }

    // All rows but the null label's, which stands for no word.
    private void SpreadLabels()
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        using var generator = new Generator((ulong)_config.Seed);
        Tensor rows = _model.ConditioningLabels.narrow(0, 0, _conditions.Labels.Count);
        rows.add_(randn(rows.shape, generator: generator).to(rows.device), _config.LabelNoise);
    }

    public ITrainingStep Draw(long step)
    {
        int count = _config.StepSamples;
        int[] rows = _order.Take(step * count, count);
        ulong seed = SplitMix.Combine(_config.Seed, step);
        using var generator = new Generator(seed);
        var random = new SplitMix(seed);
        using var scope = NewDisposeScope();
        Tensor? labels = _conditions.Batch(rows, random);
        Tensor clean = Clean(rows, generator);
        NoisePrediction.Level level = Levels(count, generator);
        Tensor noise = randn(clean.shape, generator: generator);
        if (_config.RoundInputs) noise = noise.to(bfloat16).to(float32);
        return new Samples(this, clean.to(_device).DetachFromDisposeScope(), noise.to(_device).DetachFromDisposeScope(), labels?.to(_device).DetachFromDisposeScope(), level);
    }

    public IReadOnlyList<(string Name, double Value)> WriteSheet(string path, CancellationToken cancellation)
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        int[] rows = _pictures.ForSheet(_config.Sheet.Pictures);
        Tensor? condition = _conditions.Batch(rows, random: null)?.to(_device), nothing = _conditions.Nothing(condition);
        using var generator = new Generator((ulong)_config.Seed);
        Tensor start = randn([rows.Length, _model.Config.InChannels, _model.Config.SampleSize, _model.Config.SampleSize], generator: generator).to(_device);
        NoiseSchedule schedule = (NoiseSchedule?)_steps ?? _times!;
        Denoiser denoiser = Guided(schedule, condition, nothing);
        DpmSolverOptions options = (_steps is not null ? new DpmSolverOptions() : DpmSolverOptions.Pixel) with { Steps = _config.Sheet.Steps };
        Tensor samples = DpmSolver.Sample(denoiser, start, schedule, options, cancellationToken: cancellation);
        if (_latents?.Autoencoder is { } autoencoder) samples = autoencoder.Decode(autoencoder.UnscaleLatent(samples));
        PictureWriter.Write(path, new SampleGrid { Columns = (int)Math.Ceiling(Math.Sqrt(rows.Length)) }.Tile(PictureTensors.ToPictures(samples)));
        return [];
    }

    public void WriteResult(string folder, CancellationToken cancellation) => DiMResult.Write(folder, _average, _config, _conditions.Labels, cancellation);

    public void Dispose()
    {
        _model.Dispose();
        _average.Dispose();
        _latents?.Dispose();
        _pictures.Dispose();
    }

    private Denoiser Guided(NoiseSchedule schedule, Tensor? condition, Tensor? nothing)
    {
        if (condition is not null)
            return ClassifierFreeGuidance.Wrap(DiMDenoiser.Create(_average, schedule), condition, nothing!, new GuidanceOptions(_config.Sheet.Guidance, GuidanceConvention.Common));
        return (x, time) =>
        {
            using Tensor networkTime = tensor((float)schedule.NetworkTime(time), device: x.device);
            return _average.Forward(x, networkTime);
        };
    }

    // Latents drawn from their moments, or the pictures themselves.
    private Tensor Clean(int[] rows, Generator generator)
    {
        if (_latents is not null) return _latents.Draw(rows, generator);
        Tensor pictures = _pictures.Pictures(rows);
        return _config.Data.Flip ? PictureAugmentation.Mirrored(pictures, generator) : pictures;
    }

    private NoisePrediction.Level Levels(int count, Generator generator)
    {
        if (_steps is not null)
        {
            using Tensor drawn = randint(1, _steps.Steps + 1, [count], dtype: ScalarType.Int64, generator: generator);
            return NoisePrediction.At(_steps, drawn.data<long>().ToArray(), _device);
        }
        using Tensor times = rand(count, generator: generator);
        return NoisePrediction.At(_times!, [.. times.data<float>().ToArray().Select(t => (double)t)], _device);
    }

    private sealed class Samples(DiMTask task, Tensor clean, Tensor noise, Tensor? labels, NoisePrediction.Level level) : ITrainingStep
    {
        public Tensor Loss(int part)
        {
            using var scope = NewDisposeScope();
            long first = (long)part * task._config.Batch, count = task._config.Batch;
            Tensor losses = NoisePrediction.Losses(
                task._model, clean.narrow(0, first, count), noise.narrow(0, first, count), level.Narrow(first, count), labels?.narrow(0, first, count), task._config);
            return losses.mean().MoveToOuterDisposeScope();
        }

        public void Dispose()
        {
            clean.Dispose();
            noise.Dispose();
            labels?.Dispose();
            level.Dispose();
        }
    }
}
