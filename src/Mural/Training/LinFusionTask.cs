using System.Globalization;
using Mural.Autoencoders;
using Mural.Checkpoints;
using Mural.Checkpoints.StableDiffusion;
using Mural.Layers;
using Mural.LinFusion;
using Mural.Pipelines;
using Mural.Runtime;
using Mural.Text;
using Mural.Training.Data;
using Mural.UNet;
using TorchSharp;
using static TorchSharp.torch;

namespace Mural.Training;

/// <summary>Trains linear attentions to do in a UNet what its softmax attentions do (spec linfusion.md 3); everything else of it stays as it is.</summary>
internal sealed class LinFusionTask : ITrainingTask
{
    private readonly LinFusionTrainingConfig _config;
    private readonly PictureSet _pictures;
    private readonly SampleOrder _order;
    private readonly StableDiffusionParts _teacher;
    private readonly UNet2DConditionModel _student;
    private readonly LinFusionConfig _layout;
    private readonly LinFusionModules _model, _average;
    private readonly AutoencoderKL _autoencoder;
    private readonly LatentSet _latents;
    private readonly Device _device;

    internal LinFusionTask(LinFusionTrainingConfig config, PictureSet pictures, Device device, Action<string> report, CancellationToken cancellation)
    {
        _config = config;
        _pictures = pictures;
        _device = device;
        _order = new SampleOrder(pictures.Training, config.Seed);
        string model = Settings.Resolve(config.SettingsPath, config.Teacher);
        ScalarType type = config.Precision.ToScalarType();
        RuntimePlan runtime = RuntimePlan.Choose(new RuntimeOptions { Device = device.ToString(), Precision = config.Precision });
        var loaded = new Stack<IDisposable>();
        try
        {
            _teacher = Loaded(StableDiffusionParts.Load(model, new StableDiffusionOptions { Prompts = PromptSyntax.Plain }, runtime));
            if (_teacher.Info.Inpaints) throw new MuralException($"{model} was made for inpainting, whose masks a distillation does not have; give a plain model of its family.");
            using StableDiffusionCheckpoint checkpoint = StableDiffusionCheckpoint.Open(model);
            // What is not trained needs no more precision than the run.
            _student = Loaded(checkpoint.LoadUNet(type, device));
            _layout = LinFusionConfig.For(_student.Config, config.MlpDivisor);
            using var generator = new Generator((ulong)config.Seed);
            _student.StartLinFusion(_layout, generator);
            Distillation.Freeze(_student);
            _model = _student.LinearAttentions();
            _average = Loaded(LinFusionModules.Create(_layout, new LayerFactory(ScalarType.Float32, Initialize: false, device)));
            foreach (TorchSharp.Modules.Parameter parameter in _average.parameters()) parameter.requires_grad = false;
            _autoencoder = Loaded(checkpoint.LoadAutoencoder());
            if (config.Data.Size % _autoencoder.Config.Downscale != 0)
                throw new MuralException($"The setting 'data.size' is {config.Data.Size}; a multiple of {_autoencoder.Config.Downscale}, the autoencoder's factor, is expected.");
            _autoencoder.to(device);
            var encoding = new LatentEncoding(_autoencoder, runtime.TypeFor(_autoencoder.Config), device, config.Data.Flip);
            _latents = Loaded(LatentSet.Open(pictures, encoding, PictureSet.CacheFolder(config.Data, config.SettingsPath), report, cancellation));
        }
        catch
        {
            while (loaded.TryPop(out IDisposable? part)) part.Dispose();
            throw;
        }

        T Loaded<T>(T part) where T : IDisposable
        {
            loaded.Push(part);
            return part;
        }
    }

    public nn.Module Model => _model;

    public nn.Module Average => _average;

    public string Identity => string.Create(CultureInfo.InvariantCulture,
        $"linfusion of {_teacher.Info.Name}, perceptrons 1/{_config.MlpDivisor}, loss 1/{_config.Loss.Output}/{_config.Loss.Feature}, seed {_config.Seed}, batch {_config.StepSamples}, data {_latents.Key}");

    public void Initialise()
    {
        if (_config.InitialiseFrom is not { } given) return;
        using ITensorSource weights = ModelFolder.OpenWeights(Settings.Resolve(_config.SettingsPath, given));
        ModuleWeights.Load(_model, weights);
    }

    public ITrainingStep Draw(long step)
    {
        int count = _config.StepSamples;
        int[] rows = _order.Take(step * count, count);
        using var generator = new Generator(SplitMix.Combine(_config.Seed, step));
        using var scope = NewDisposeScope();
        int[] stored = rows;
        if (_config.Data.Flip)
        {
            float[] draws = rand(count, generator: generator).data<float>().ToArray();
            stored = [.. rows.Select((row, i) => draws[i] < 0.5f ? row + _pictures.Items.Count : row)];
        }
        int side = _config.Data.Size / _autoencoder.Config.Downscale;
        long[] shape = [count, _autoencoder.Config.LatentChannels, side, side];
        Tensor clean = _latents.Latents(stored, randn(shape, generator: generator)), noise = randn(shape, generator: generator);
        int trained = NoisyLatents.Table(_teacher.Sampling).Steps;
        long[] timesteps = randint(0, trained, [count], dtype: ScalarType.Int64, generator: generator).data<long>().ToArray();
        NoisyLatents latents = NoisyLatents.At(_teacher.Sampling, clean.to(_device), noise.to(_device), timesteps);
        return new Samples(
            this, latents with { Noisy = latents.Noisy.DetachFromDisposeScope(), Target = latents.Target.DetachFromDisposeScope() }, timesteps, [.. rows.Select(row => _pictures.Items[row].ReadCaption())]);
    }

    public IReadOnlyList<(string Name, double Value)> WriteSheet(string path, CancellationToken cancellation)
    {
        // Held-out captions show what was not learned by heart.
        IReadOnlyList<int> rows = _pictures.HeldOut.Count > 0 ? _pictures.HeldOut : _pictures.Training;
        string[] captions = [.. Spread.Over(rows, _config.Sheet.Captions).Select(row => _pictures.Items[row].ReadCaption())];
        using var averaged = new BorrowedWeights(_model, _average);
        new DistillationSheet(_teacher, _student, _config).Write(path, captions, cancellation);
        return [];
    }

    public void WriteResult(string folder, CancellationToken cancellation) => ModelFolder.Save(_average, _layout.ToJson(), folder, type: null, cancellation: cancellation);

    public void Dispose()
    {
        // The trained attentions are the student's.
        _latents.Dispose();
        _autoencoder.Dispose();
        _average.Dispose();
        _student.Dispose();
        _teacher.Dispose();
        _pictures.Dispose();
    }

    private UNetConditioning Conditioning(IReadOnlyList<string> captions)
    {
        using EncodedPrompts encoded = _teacher.Texts.Use(encoder =>
        {
            Prompt[] prompts = [.. captions.Select(caption => new Prompt(caption))];
            return encoder.Encode(prompts, 0, encoder.CountWindows(prompts));
        });
        float size = _config.Data.Size;
        // Whole pictures, made the size that they are trained at; SDXL's refiner is told a score instead of the last two.
        float[] sizes = _teacher.SizeNumbers == 5 ? [size, size, 0, 0, 6] : [size, size, 0, 0, size, size];
        return new UNetConditioning(encoded.Context.alias().to(_device))
        {
            PooledText = _teacher.SizeNumbers > 0 ? encoded.Pooled!.alias().to(_device) : null,
            SizeNumbers = _teacher.SizeNumbers > 0 ? tensor(sizes, device: _device).expand(captions.Count, sizes.Length) : null,
        };
    }

    private sealed class Samples(LinFusionTask task, NoisyLatents latents, long[] timesteps, string[] captions) : ITrainingStep
    {
        private readonly double[] _sums = new double[3];
        private int _parts;

        public IReadOnlyList<(string Name, double Value)> Details => [("loss_noise", _sums[0] / _parts), ("loss_output", _sums[1] / _parts), ("loss_feature", _sums[2] / _parts)];

        public Tensor Loss(int part)
        {
            using var scope = NewDisposeScope();
            LinFusionTrainingConfig config = task._config;
            int first = part * config.Batch, count = config.Batch;
            PreparedPrompt taught, learned;
            using (no_grad())
            {
                UNetConditioning conditioning = task.Conditioning(captions[first..(first + count)]);
                taught = task._teacher.UNet.Prepare(conditioning);
                learned = task._student.Prepare(conditioning with { Text = conditioning.Text.to(config.Precision.ToScalarType()) });
            }
            using (taught)
            using (learned)
            {
                var distillation = new Distillation(task._teacher.UNet, taught, task._student, learned);
                Tensor steps = tensor(timesteps[first..(first + count)], device: task._device);
                DistillationLosses losses = distillation.Losses(latents.Noisy.narrow(0, first, count), steps, latents.Target.narrow(0, first, count));
                foreach ((int i, Tensor loss) in new[] { losses.Noise, losses.Output, losses.Feature }.Index()) _sums[i] += loss.item<float>();
                _parts++;
                return losses.Total(config.Loss.Output, config.Loss.Feature).MoveToOuterDisposeScope();
            }
        }

        public void Dispose()
        {
            latents.Noisy.Dispose();
            latents.Target.Dispose();
        }
    }
}
