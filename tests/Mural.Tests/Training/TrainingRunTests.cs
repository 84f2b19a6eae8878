using System.Text.Json.Nodes;
using Mural.Autoencoders;
using Mural.Checkpoints;
using Mural.DiM;
using Mural.Imaging;
using Mural.Pipelines;
using Mural.Runtime;
using Mural.Training;
using Mural.Training.Data;

namespace Mural.Tests.Training;

/// <summary>Whole tiny runs: what they leave behind and what their settings change.</summary>
public sealed class TrainingRunTests : IDisposable
{
    private readonly TrainingFolder _folder = new();

    public static TheoryData<string> Trainings => ResumeTests.Trainings;

    public void Dispose() => _folder.Dispose();

    [Theory, MemberData(nameof(Trainings))]
    public void NothingStaysBehindStepByStepOrRunByRun(string settings)
    {
        TrainingConfig config = _folder.Settings(settings, ("steps", 8));
        TrainingFolder.Train(config, stopAfter: 1);
        long before = CountWithoutGarbage();
        var counts = new List<long>();
        TrainingFolder.Train(config, watch: progress =>
        {
            if (progress.Message is null) counts.Add(Tensor.TotalCount);
        });
        Assert.Equal(7, counts.Count);
        // Fewer there may be: what earlier tests left to the garbage collector may still go.
        Assert.All(counts, count => Assert.InRange(count, 0, counts[0]));
        // TorchSharp's count is one too high for every Parameter that was ever made: the tensor that it was made of is not counted back.
        Assert.InRange(Tensor.TotalCount, 0, before + ParametersOf(config));
    }

    // What finalizers let go may have finalizers of its own.
    private static long CountWithoutGarbage()
    {
        for (long before = long.MaxValue, now; ; before = now)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
            now = Tensor.TotalCount;
            if (now == before) return now;
        }
    }

    [Fact]
    public async Task TheResultOfADiMPaints()
    {
        TrainingOutcome outcome = TrainingFolder.Train(_folder.Settings(TrainingFolder.WordsOfLatents, ("steps", 2), ("precision", "bfloat16")));
        Picture sheet = PictureReader.Read(_folder.At("run/sheets/step-000000002.png"));
        Assert.True(sheet.Width >= 64 && sheet.Height >= 64);
        Assert.True(File.Exists(_folder.At("run/loss.png")) && File.Exists(_folder.At("run/settings.json")));
        Assert.Equal("run", DiMModelIndex.Load(outcome.ResultFolder).Name);
        await using DiMPipeline pipeline = await DiMPipeline.LoadAsync(outcome.ResultFolder, new DiMPipelineOptions { Runtime = new RuntimeOptions { Device = "cpu" } });
        Assert.Equal((Conditioning.Words, 4, 4, PadLayout.RhoPad), (pipeline.Config.Conditioning, pipeline.Config.Classes, pipeline.Config.SampleSize, pipeline.Config.PadLayout));
        DiMPicture painted = Assert.Single(await pipeline.GenerateAsync(new DiMRequest { Prompt = "star", Steps = 2 }));
        Assert.Equal(["star", "flat"], painted.Plan.Words);
        Assert.Equal((32, 32), (painted.Picture.Width, painted.Picture.Height));
    }

    [Fact]
    public void TheResultOfAnAutoencoderScalesItsLatentsToOne()
    {
        TrainingOutcome outcome = TrainingFolder.Train(_folder.Settings(TrainingFolder.Autoencoder, ("steps", 2)));
        using AutoencoderKL autoencoder = AutoencoderKL.FromFolder(outcome.ResultFolder);
        using PictureSet pictures = PictureSet.Open(_folder.Settings(TrainingFolder.Autoencoder).Data, _folder.At("settings.json"), _ => { }, CancellationToken.None);
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        Tensor latents = autoencoder.ScaleLatent(autoencoder.Encode(pictures.Pictures([.. pictures.Training])).Mode());
        Assert.InRange(latents.var().item<float>(), 0.5f, 1.05f);
        Assert.Contains("psnr", File.ReadAllText(_folder.At("run/log.jsonl")), StringComparison.Ordinal);
    }

    [Fact]
    public void AccumulatedPassesMakeOneLargerBatch()
    {
        TrainingFolder.Train(_folder.Settings(TrainingFolder.ClassesOfPixels, ("run", "one"), ("steps", 4), ("batch", 6), ("accumulation", 1)));
        TrainingFolder.Train(_folder.Settings(TrainingFolder.ClassesOfPixels, ("run", "three"), ("steps", 4), ("batch", 2), ("accumulation", 3)));
        Assert.All(_folder.Losses("one").Zip(_folder.Losses("three")), pair => Assert.Equal(pair.First.Value, pair.Second.Value, 1e-5));
        Dictionary<string, Tensor> one = _folder.Weights("one", 4), three = _folder.Weights("three", 4);
        Assert.All(one, entry => Assert.True((entry.Value - three[entry.Key]).abs().max().item<float>() < 1e-3, entry.Key));
    }

    [Fact]
    public void RecomputedBlocksGiveTheSameRun()
    {
        TrainingFolder.Train(_folder.Settings(TrainingFolder.ClassesOfPixels, ("run", "kept"), ("steps", 4)));
        TrainingFolder.Train(_folder.Settings(TrainingFolder.ClassesOfPixels, ("run", "recomputed"), ("steps", 4), ("gradient_checkpointing", true)));
        Assert.Equal(_folder.Losses("kept"), _folder.Losses("recomputed"));
    }

    [Fact]
    public void ALargerModelStartsFromASmallerOnesWeights()
    {
        TrainingOutcome weak = TrainingFolder.Train(_folder.Settings(TrainingFolder.ClassesOfPixels, ("run", "weak"), ("steps", 2)));
        string weights = Path.Combine(weak.ResultFolder, "dim", "model.safetensors");
        foreach (string given in new[] { "weak/result", "weak/result/dim", "weak/result/dim/model.safetensors" })
        {
            using var scope = NewDisposeScope();
            var config = (DiMTrainingConfig)_folder.Settings(
                TrainingFolder.ClassesOfPixels, ("run", "strong"), ("data.size", 32), ("initialise_from", given), ("model.pad_layout", "rho_pad"));
            using var task = new DiMTask(config, PictureSet.Open(config.Data, config.SettingsPath, _ => { }, CancellationToken.None), CPU, _ => { }, CancellationToken.None);
            task.Initialise();
            using SafetensorsFile small = SafetensorsFile.Open(weights);
            foreach ((string name, TorchSharp.Modules.Parameter parameter) in task.Model.named_parameters())
            {
                Tensor stored = small.Read(name, float32);
                if (name == "additional_embed") stored = PositionTable.Resize(stored, new TokenGrid(4, 4), new TokenGrid(8, 8));
                Assert.True(stored.allclose(parameter), name);
            }
        }
    }

    [Fact]
    public void LabelNoiseMovesTheConditioningRowsOfLabelsAlone()
    {
        Dictionary<string, Tensor> Start(double noise)
        {
            var config = (DiMTrainingConfig)_folder.Settings(TrainingFolder.ClassesOfPixels, ("label_noise", noise));
            using var task = new DiMTask(config, PictureSet.Open(config.Data, config.SettingsPath, _ => { }, CancellationToken.None), CPU, _ => { }, CancellationToken.None);
            task.Initialise();
            return task.Model.named_parameters().ToDictionary(entry => entry.name, entry => entry.parameter.detach().clone());
        }

        using var scope = NewDisposeScope();
        const string Table = "adaln_single.emb.class_embedder.embedding_table.weight";
        Dictionary<string, Tensor> plain = Start(0), moved = Start(0.5);
        foreach (string name in plain.Keys.Where(name => name != Table)) Assert.True(plain[name].allclose(moved[name], rtol: 0, atol: 0), name);
        Tensor change = moved[Table] - plain[Table];
        long labels = change.shape[0] - 1;
        Assert.Equal(0.5, change.narrow(0, 0, labels).square().mean().sqrt().item<float>(), 0.15);
        Assert.Equal(0, change[labels].abs().max().item<float>());
    }

    [Fact]
    public void WeightsOfAnotherArchitectureAreRefused()
    {
        TrainingFolder.Train(_folder.Settings(TrainingFolder.ClassesOfPixels, ("run", "weak"), ("steps", 2)));
        TrainingConfig other = _folder.Settings(TrainingFolder.ClassesOfPixels, ("run", "strong"), ("initialise_from", "weak/result"), ("model.width", 32));
        Assert.Throws<CheckpointMismatchException>(() => TrainingFolder.Train(other));
    }

    [Fact]
    public void PicturesWithoutLabelsGiveAModelWithoutThem()
    {
        Directory.CreateDirectory(_folder.At("bare"));
        foreach (string file in Directory.GetFiles(_folder.At("pictures"), "*.png", SearchOption.AllDirectories)) File.Copy(file, _folder.At("bare/" + Path.GetFileName(file)));
        TrainingOutcome outcome = TrainingFolder.Train(_folder.Settings(TrainingFolder.ClassesOfPixels, ("steps", 2), ("data.folder", "bare")));
        Assert.Equal(0, DiMConfig.Load(Path.Combine(outcome.ResultFolder, "dim", "config.json")).Classes);
        Assert.False(File.Exists(Path.Combine(outcome.ResultFolder, "classes.txt")));
    }

    [Theory]
    [InlineData(TrainingFolder.ClassesOfPixels, 1e-2, 0.9)]
    [InlineData(TrainingFolder.Autoencoder, 1e-2, 0.7)]
    public void TheLossFalls(string settings, double rate, double share)
    {
        TrainingFolder.Train(_folder.Settings(settings, ("steps", 60), ("optimizer.learning_rate", rate), ("optimizer.betas", new JsonArray(0.9, 0.99))));
        double[] losses = [.. _folder.Losses("run").Values];
        Assert.True(losses[^20..].Average() < share * losses[..10].Average(), $"{losses[..10].Average()} to {losses[^20..].Average()}");
    }

    // Model and average, and the autoencoder of a latent model.
    private long ParametersOf(TrainingConfig config)
    {
        using SafetensorsFile model = SafetensorsFile.Open(Path.Combine(_folder.Checkpoint("run", 8), "model.safetensors"));
        string? folder = config switch { DiMTrainingConfig dim => dim.Autoencoder, UNetTrainingConfig unet => unet.Autoencoder, _ => null };
        if (folder is null) return 2 * model.Tensors.Count;
        using SafetensorsFile autoencoder = SafetensorsFile.Open(_folder.At($"{folder}/diffusion_pytorch_model.safetensors"));
        return 2 * model.Tensors.Count + autoencoder.Tensors.Count;
    }
}
