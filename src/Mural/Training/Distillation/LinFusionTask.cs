using System.Globalization;
using Mural.Checkpoints;
using Mural.Checkpoints.StableDiffusion;
using Mural.Layers;
using Mural.LinFusion;
using Mural.Pipelines;
using Mural.Runtime;
using Mural.Text;
using Mural.Training.Data;
using Mural.UNet;
using static TorchSharp.torch;

namespace Mural.Training;

/// <summary>Trains linear attentions to do in a UNet what its softmax attentions do (spec linfusion.md 3); everything else of it stays as it is.</summary>
internal sealed class LinFusionTask : ITrainingTask
{
    private readonly LinFusionTrainingConfig _config;
    private readonly IDistillationSamples _samples;
    private readonly SampleOrder _order;
    private readonly StableDiffusionParts _teacher;
    private readonly UNet2DConditionModel _student;
    private readonly LinFusionConfig _layout;
    private readonly LinFusionModules _model, _average;
    private readonly TeacherCache? _cache;
    private readonly string _teacherKey;
    private readonly Device _device;

    internal LinFusionTask(LinFusionTrainingConfig config, Device device, Action<string> report, CancellationToken cancellation)
    {
        _config = config;
        _device = device;
        string model = Settings.Resolve(config.SettingsPath, config.Teacher);
        ScalarType type = config.ComputeType;
        RuntimePlan runtime = RuntimePlan.Choose(new RuntimeOptions { Device = device.ToString(), Precision = config.Precision });
        using var loaded = new PartialLoad();
        _teacher = loaded.Add(StableDiffusionParts.Load(model, new StableDiffusionOptions { Prompts = PromptSyntax.Plain }, runtime));
        if (_teacher.Info.Inpaints) throw new MuralException($"{model} was made for inpainting, whose masks a distillation does not have; give a plain model of its family.");
        int downscale = _teacher.Codec.Downscale;
        config.Data.RequireMultipleOf(downscale, "autoencoder");
        using StableDiffusionCheckpoint checkpoint = StableDiffusionCheckpoint.Open(model);
        // What is not trained needs no more precision than the run.
        _student = loaded.Add(checkpoint.LoadUNet(type, device));
        _teacherKey = ContentHash.Of(_student);
        _layout = LinFusionConfig.For(_student.Config, config.MlpDivisor, config.Mixer, config.Data.Size / downscale);
        using var generator = new Generator((ulong)config.Seed);
        _student.StartLinFusion(_layout, generator);
        Distillation.Freeze(_student);
        _model = _student.LinearAttentions();
        _average = loaded.Add(LinFusionModules.Create(_layout, new LayerFactory(ScalarType.Float32, Initialize: false, device)));
        string weights = config.Data.Captions is null && config.TeacherCacheDraws == 0 ? "" : ContentHash.Of(_teacher.Files);
        if (config.Data.Captions is null)
        {
            _samples = loaded.Add(new CaptionedPictures(
                config.Data, config.SettingsPath, () => checkpoint.LoadAutoencoder(), runtime.TypeFor(checkpoint.AutoencoderConfig), device, report, cancellation));
        }
        else
        {
            TeacherSamplesConfig sampling = config.TeacherSamples ?? new();
            var painting = new TeacherPainting(_teacher, config.Data.Size, sampling.Steps, sampling.Guidance);
            _samples = loaded.Add(TeacherSamples.Open(config, painting, weights, report, cancellation));
        }
        _order = new SampleOrder(_samples.Training, config.Seed);
        if (config.TeacherCacheDraws > 0)
            _cache = new TeacherCache(Path.Combine(
                PictureSet.CacheFolder(config.Data, config.SettingsPath), $"teacher-{_samples.Key}-{weights}-{config.Seed}-{NameOf(config.ComputeType)}"));
        loaded.Complete();
    }

    public nn.Module Model => _model;

    public nn.Module Average => _average;

    public string Identity => string.Create(CultureInfo.InvariantCulture,
        $"{EnumNames.Of(_config.Mixer)} of {_teacherKey} in {NameOf(_config.ComputeType)}, perceptrons 1/{_config.MlpDivisor}, "
            + $"loss 1/{_config.Loss.Output}/{_config.Loss.Feature}, seed {_config.Seed}, batch {_config.StepSamples}, data {_samples.Key}"
            + $"{(_cache is null ? "" : $", {_config.TeacherCacheDraws} drawings of noise")}");

    public void Initialise()
    {
        if (_config.InitialiseFrom is not { } given) return;
        string folder = Settings.Resolve(_config.SettingsPath, given);
        RequireLayout(LinFusionConfig.Read(folder), folder);
        using ITensorSource weights = ModelFolder.OpenWeights(folder);
        ModuleWeights.Load(_model, weights);
    }

    public ITrainingStep Draw(long step)
    {
        int count = _config.StepSamples;
        int[] rows = _order.Take(step * count, count);
        using var scope = NewDisposeScope();
        if (_cache is null)
        {
            using var generator = new Generator(SplitMix.Combine(_config.Seed, step));
            return Step(rows, null, Drawn(rows, generator));
        }
        // The noise of a sample is one of few, each drawn by the sample alone, and each epoch takes the next.
        long[] turns = [.. Enumerable.Range(0, count).Select(i => (step * count + i) / _order.Count % _config.TeacherCacheDraws)];
        Drawing[] drawings = [.. rows.Select((row, i) =>
        {
            using var generator = new Generator(SplitMix.Combine((long)SplitMix.Combine(_config.Seed, row), turns[i]));
            return Drawn([row], generator);
        })];
        Tensor Whole(Func<Drawing, Tensor> part) => cat([.. drawings.Select(part)]);
        return Step(rows, [.. rows.Select((row, i) => string.Create(CultureInfo.InvariantCulture, $"{row}-{turns[i]}"))],
            new Drawing(Whole(drawing => drawing.Clean), Whole(drawing => drawing.Noise), [.. drawings.SelectMany(drawing => drawing.Timesteps)]));
    }

    public IReadOnlyList<(string Name, double Value)> WriteSheet(string path, CancellationToken cancellation)
    {
        // Held-out captions show what was not learned by heart.
        IReadOnlyList<int> rows = _samples.HeldOut.Count > 0 ? _samples.HeldOut : _samples.Training;
        string[] captions = [.. Spread.Over(rows, _config.Sheet.Captions).Select(_samples.Caption)];
        using var averaged = new BorrowedWeights(_model, _average);
        new DistillationSheet(new TeacherPainting(_teacher, _config.Data.Size, _config.Sheet.Steps, _config.Sheet.Guidance), _student)
            .Write(path, captions, _config.Seed, cancellation);
        return [];
    }

    public void WriteResult(string folder, CancellationToken cancellation) => ModelFolder.Save(_average, _layout.ToJson(), folder, type: null, cancellation: cancellation);

    public void Dispose()
    {
        // The trained attentions are the student's.
        _samples.Dispose();
        _average.Dispose();
        _student.Dispose();
        _teacher.Dispose();
    }

    private static string NameOf(ScalarType type) => type.ToString().ToLowerInvariant();

    // Weights of other heads or of another mixer may have the same names and shapes.
    private void RequireLayout(LinFusionConfig given, string folder)
    {
        if (given.Mixer != _layout.Mixer)
            throw new MuralException($"The setting 'initialise_from' names {folder}, whose mixer is {EnumNames.Of(given.Mixer)}, "
                + $"but this run trains {EnumNames.Of(_layout.Mixer)}; name a checkpoint of the same mixer, or change 'mixer'.");
        static string Said(LinFusionConfig config, int index) => config.Modules.ElementAtOrDefault(index) is { } module
            ? $"{module.Heads} heads in {module.Width} channels at {Quote.Name(module.Name)}"
            : "no further attention";
        int different = Enumerable.Range(0, Math.Max(given.Modules.Count, _layout.Modules.Count)).FirstOrDefault(index => Said(given, index) != Said(_layout, index), -1);
        if (different >= 0)
            throw new MuralException($"The setting 'initialise_from' names {folder}, which has {Said(given, different)}, but the teacher has {Said(_layout, different)}; "
                + "name a LinFusion checkpoint of the teacher's family.");
    }

    private Drawing Drawn(int[] rows, Generator generator)
    {
        Tensor clean = _samples.Latents(rows, generator), noise = randn(clean.shape, generator: generator);
        Tensor timesteps = randint(0, NoisyLatents.Table(_teacher.Sampling).Steps, [rows.Length], dtype: ScalarType.Int64, generator: generator);
        return new Drawing(clean, noise, timesteps.data<long>().ToArray());
    }

    private Samples Step(int[] rows, string[]? names, Drawing drawing)
    {
        NoisyLatents latents = NoisyLatents.At(_teacher.Sampling, drawing.Clean.to(_device), drawing.Noise.to(_device), drawing.Timesteps);
        return new Samples(
            this, latents with { Noisy = latents.Noisy.DetachFromDisposeScope(), Target = latents.Target.DetachFromDisposeScope() }, drawing.Timesteps, rows, names);
    }

    private UNetConditioning Conditioning(IReadOnlyList<int> rows)
    {
        using EncodedPrompts encoded = _teacher.Texts.Use(encoder =>
        {
            Prompt[] prompts = [.. rows.Select(row => new Prompt(_samples.Caption(row)))];
            return encoder.Encode(prompts, 0, encoder.CountWindows(prompts));
        });
        float size = _config.Data.Size;
        // SDXL's refiner is told a score instead of the last two.
        float[] last = _teacher.SizeNumbers == SizeConditioning.NumbersOfRefiner ? [(float)SizeConditioning.UsualScore] : [size, size];
        return new UNetConditioning(encoded.Context.alias().to(_device))
        {
            PooledText = _teacher.SizeNumbers > 0 ? encoded.Pooled!.alias().to(_device) : null,
            SizeNumbers = _teacher.SizeNumbers > 0
                ? tensor([.. rows.SelectMany(row => (float[])[.. _samples.Sizes(row), .. last])], [rows.Count, _teacher.SizeNumbers], device: _device)
                : null,
        };
    }

    private sealed record Drawing(Tensor Clean, Tensor Noise, long[] Timesteps);

    private sealed class Samples(LinFusionTask task, NoisyLatents latents, long[] timesteps, int[] rows, string[]? names) : ITrainingStep
    {
        private readonly double[] _sums = new double[3];
        private readonly List<PreparedPrompt> _prompts = [];
        private int _parts;

        public IReadOnlyList<(string Name, double Value)> Details => [("loss_noise", _sums[0] / _parts), ("loss_output", _sums[1] / _parts), ("loss_feature", _sums[2] / _parts)];

        public Tensor Loss(int part)
        {
            using var scope = NewDisposeScope();
            LinFusionTrainingConfig config = task._config;
            int first = part * config.Batch, count = config.Batch;
            // The backward pass of the part before, which may have computed from them once more, is done.
            FreePrompts();
            PreparedPrompt taught, learned;
            using (no_grad())
            {
                UNetConditioning conditioning = task.Conditioning(rows[first..(first + count)]);
                _prompts.Add(taught = task._teacher.UNet.Prepare(conditioning));
                _prompts.Add(learned = task._student.Prepare(conditioning with { Text = conditioning.Text.to(config.ComputeType) }));
            }
            var distillation = new Distillation(task._teacher.UNet, taught, task._student, learned) { Recompute = config.GradientCheckpointing };
            Tensor steps = tensor(timesteps[first..(first + count)], device: task._device), noisy = latents.Noisy.narrow(0, first, count);
            Teaching Compute() => distillation.Teach(noisy, steps);
            using Teaching teaching = names is null ? Compute() : task._cache!.Of(names[first..(first + count)], Compute);
            DistillationLosses losses = distillation.Losses(noisy, steps, latents.Target.narrow(0, first, count), teaching);
            foreach ((int i, Tensor loss) in new[] { losses.Noise, losses.Output, losses.Feature }.Index()) _sums[i] += loss.item<float>();
            _parts++;
            return losses.Total(config.Loss.Output, config.Loss.Feature).MoveToOuterDisposeScope();
        }

        public void Dispose()
        {
            FreePrompts();
            latents.Noisy.Dispose();
            latents.Target.Dispose();
        }

        private void FreePrompts()
        {
            foreach (PreparedPrompt prompt in _prompts) prompt.Dispose();
            _prompts.Clear();
        }
    }
}
