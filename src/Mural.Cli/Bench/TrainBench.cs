using Mural.DiM;
using Mural.Layers;
using Mural.Runtime;
using Mural.Samplers;
using Mural.Training;
using static TorchSharp.torch;

namespace Mural.Cli.Bench;

/// <summary>Whole training steps of the default model's DiM, by the settings that it was trained with, on random latents.</summary>
internal static class TrainBench
{
    // Plain operators keep every state of every token for the backward pass: so much of the model, and so many pictures, fit into memory.
    private const int PlainBlocks = 3, PlainBatch = 4;

    private const int LatentChannels = 4, Downscale = 8, WordsOfAPicture = 4;

    internal static Benchmark Create() => new("train", "A training step of the default model.", () =>
    {
        string folder = Path.Combine(AppContext.BaseDirectory, "models", "emoji"), settings = Path.Combine(folder, "dim.json");
        if (TrainingConfig.Read(settings) is not DiMTrainingConfig read)
            throw new MuralException($"'{settings}' is not the settings of a DiM's training; build Mural again, which puts the default model's there.");
        DiMTrainingConfig config = read with { Precision = read.ChooseRuntime().Precision };
        DiMConfig model = config.ToDiMConfig(LatentChannels, config.Data.Size / Downscale, Vocabulary.Load(Path.Combine(folder, "vocabulary.txt")).Count);
        return
        [
            new BenchRow
            {
                Name = "default-dim",
                About = $"noise, forward, backward, clipping, AdamW and moving average: {model.Blocks} blocks of width {model.Width}, batch {config.Batch}, "
                    + $"latent {LatentChannels}x{model.SampleSize}x{model.SampleSize}, {config.Precision!.Value.ShortName()}",
                Operations = DiMCost.TrainingStep(model, model.TrainedGrid, config.Batch),
                Samples = config.Batch,
                Type = config.ComputeType,
                Prepare = kernels => Prepare(model, config, kernels),
            },
        ];
    });

    private static BenchWork Prepare(DiMConfig whole, DiMTrainingConfig config, KernelSet kernels)
    {
        bool plain = kernels == KernelSet.Libtorch;
        int batch = plain ? PlainBatch : config.Batch;
        DiMConfig architecture = plain ? whole with { Blocks = PlainBlocks } : whole;
        var generator = new Generator((ulong)config.Seed, CPU);
        var model = new DiMModel(architecture, generator) { ComputeType = config.ComputeType };
        var average = new DiMModel(architecture, generator);
        model.UseKernels(kernels);
        var update = new WeightUpdate(model, average, config);
        var schedule = DiscreteNoiseSchedule.ScaledLinear();
        Tensor clean = randn([batch, whole.InChannels, whole.SampleSize, whole.SampleSize], generator: generator);
        Tensor labels = randint(0, whole.Classes, [batch, WordsOfAPicture], ScalarType.Int64, generator: generator);
        long step = 0;
        double scale = DiMCost.TrainingStep(whole, whole.TrainedGrid, config.Batch) / DiMCost.TrainingStep(architecture, whole.TrainedGrid, batch);
        return new BenchWork(
            () =>
            {
                using var scope = NewDisposeScope();
                update.Optimizer.ClearGradients();
                Tensor noise = randn(clean.shape, generator: generator), drawn = randint(1, schedule.Steps + 1, [batch], dtype: ScalarType.Int64, generator: generator);
                NoisePrediction.Level level = NoisePrediction.At(schedule, drawn.data<long>().ToArray(), CPU);
                Tensor loss = NoisePrediction.Losses(model, clean, noise, level, labels, config).mean();
                loss.backward();
                update.Make(step++, config.Optimizer.LearningRate, loss.item<float>());
            },
            new Held(update, model, average, clean, labels, generator),
            scale,
            plain
                ? $"{PlainBlocks} of {whole.Blocks} blocks and {batch} of {config.Batch} pictures were run and the time multiplied by {scale:0.0}, the ratio of their operations"
                : null);
    }
}
