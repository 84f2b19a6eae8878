using Mural.Autoencoders;
using Mural.Checkpoints;
using Mural.Imaging;
using Mural.Runtime;
using Mural.Training.Data;
using TorchSharp;
using static TorchSharp.torch;

namespace Mural.Training;

/// <summary>Trains an autoencoder to give back the pictures of a data set.</summary>
internal sealed class VaeTask : ITrainingTask
{
    private const int MeasuredPictures = 64, SheetPictures = 16;

    private const double FirstLogVariance = -6;

    private readonly VaeTrainingConfig _config;
    private readonly PictureSet _pictures;
    private readonly SampleOrder _order;
    private readonly AutoencoderKL _model, _average;
    private readonly ScalarType _type;
    private readonly Device _device;

    internal VaeTask(VaeTrainingConfig config, PictureSet pictures, Device device)
    {
        _config = config;
        _pictures = pictures;
        _order = new SampleOrder(pictures.Training, config.Seed);
        _type = config.ComputeType;
        _device = device;
        AutoencoderConfig architecture = config.Model.ToAutoencoderConfig(config.Data.Size);
        using var seed = new GlobalSeed(config.Seed);
        using var loaded = new PartialLoad();
        _model = loaded.Add(new AutoencoderKL(architecture));
        NearIdentity.Apply(_model);
        _average = loaded.Add(new AutoencoderKL(architecture));
        _model.to(device);
        _average.to(device);
        loaded.Complete();
    }

    public nn.Module Model => _model;

    public nn.Module Average => _average;

    public string Identity =>
        $"vae {string.Join('-', _config.Model.BlockOutChannels)} x{_config.Model.LayersPerBlock}{Unusual()}, seed {_config.Seed}, batch {_config.StepSamples}, "
            + $"pictures {_pictures.Key}{(_config.Data.Flip ? "-mirrored" : "")}, split {_pictures.SplitKey}";

    // A fresh encoder's log variance is about 0 and its means are small: the decoder would see little but noise for thousands of steps.
    public void Initialise()
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        Tensor bias = _model.named_parameters().Single(p => p.name == "quant_conv.bias").parameter;
        bias.narrow(0, _config.Model.LatentChannels, _config.Model.LatentChannels).fill_(FirstLogVariance);
    }

    public ITrainingStep Draw(long step)
    {
        int[] rows = _order.Take(step * _config.StepSamples, _config.StepSamples);
        using var generator = new Generator(SplitMix.Combine(_config.Seed, step));
        int side = (_config.Crop ?? _config.Data.Size) / _model.Config.Downscale;
        using var scope = NewDisposeScope();
        Tensor pictures = _pictures.Pictures(rows);
        if (_config.Data.Flip) pictures = PictureAugmentation.Mirrored(pictures, generator);
        if (_config.Crop is int crop) pictures = Cut(pictures, crop, generator);
        Tensor noise = randn([rows.Length, _config.Model.LatentChannels, side, side], generator: generator);
        return new Samples(this, pictures.to(_device).DetachFromDisposeScope(), noise.to(_device).DetachFromDisposeScope());
    }

    // What is as usual is not named: runs of before did not name it.
    private string Unusual()
    {
        VaeModelConfig model = _config.Model, usual = new();
        string channels = model.LatentChannels == usual.LatentChannels ? "" : $" latents of {model.LatentChannels}",
            groups = model.NormNumGroups == usual.NormNumGroups ? "" : $" groups {model.NormNumGroups}";
        return channels + groups + (model.MidBlockAddAttention ? "" : " without attention");
    }

    // A square piece of every picture, each at a place of its own.
    private static Tensor Cut(Tensor pictures, int side, Generator generator)
    {
        long places = pictures.shape[2] - side + 1;
        using Tensor drawn = randint(0, places, [pictures.shape[0], 2], dtype: ScalarType.Int64, generator: generator);
        long[] corners = drawn.data<long>().ToArray();
        return stack(Enumerable.Range(0, (int)pictures.shape[0]).Select(i => pictures[i].narrow(1, corners[2 * i], side).narrow(2, corners[2 * i + 1], side)));
    }

    public IReadOnlyList<(string Name, double Value)> WriteSheet(string path, CancellationToken cancellation)
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        // Held-out pictures show what the autoencoder does with what it has never seen.
        IReadOnlyList<int> rows = _pictures.HeldOut.Count > 0 ? _pictures.HeldOut : _pictures.Training;
        double error = 0;
        int measured = 0;
        Tensor? originals = null, copies = null;
        foreach (int[] chunk in Spread.Over(rows, MeasuredPictures).Chunk(SheetPictures))
        {
            cancellation.ThrowIfCancellationRequested();
            using var inner = NewDisposeScope();
            Tensor pictures = _pictures.Pictures(chunk).to(_device), back = _average.forward(pictures.to(_type)).to(float32).clamp(-1, 1);
            // Peak signal-to-noise ratio over values in [0, 1].
            Tensor squares = ((back - pictures) / 2).square().mean([1, 2, 3]).clamp_min(1e-10);
            error += (-10 * squares.log10()).sum().item<float>();
            measured += chunk.Length;
            if (originals is not null) continue;
            originals = pictures.MoveToOuterDisposeScope();
            copies = back.MoveToOuterDisposeScope();
        }
        PictureWriter.Write(path, Sheet(originals!, copies!));
        return [("psnr", error / measured)];
    }

    public void WriteResult(string folder, CancellationToken cancellation)
    {
        AutoencoderConfig config = _average.Config with { ScalingFactor = 1 / LatentDeviation(cancellation) };
        ModelFolder.Save(_average, config.ToJson(), folder, type: null, cancellation: cancellation);
    }

    public void Dispose()
    {
        _model.Dispose();
        _average.Dispose();
        _pictures.Dispose();
    }

    // Standard deviation of the latents of pictures from all over the data set: one over it scales them to unit variance.
    private double LatentDeviation(CancellationToken cancellation)
    {
        using var quiet = no_grad();
        double sum = 0, squares = 0;
        long count = 0;
        foreach (int[] chunk in Spread.Over(_pictures.Training, 4 * MeasuredPictures).Chunk(32))
        {
            cancellation.ThrowIfCancellationRequested();
            using var scope = NewDisposeScope();
            using Tensor moments = _average.EncodeMoments(_pictures.Pictures(chunk).to(_device).to(_type));
            using var posterior = new DiagonalGaussian(moments.to(float32));
            Tensor mean = posterior.Mean.to(float64), variance = posterior.LogVariance.to(float64).exp();
            sum += mean.sum().item<double>();
            squares += (mean.square() + variance).sum().item<double>();
            count += mean.numel();
        }
        double average = sum / count;
        return Math.Sqrt(Math.Max(squares / count - average * average, 1e-12));
    }

    // Rows of originals, each with its row of reconstructions below.
    private static Picture Sheet(Tensor originals, Tensor copies)
    {
        const int Columns = 8;
        Picture[] above = PictureTensors.ToPictures(originals), below = PictureTensors.ToPictures(copies);
        IEnumerable<Picture> rows = above.Chunk(Columns).Zip(below.Chunk(Columns), (a, b) => a.Concat(b)).SelectMany(pair => pair);
        return new SampleGrid { Columns = Math.Min(Columns, above.Length) }.Tile([.. rows]);
    }

    private sealed class Samples(VaeTask task, Tensor pictures, Tensor noise) : ITrainingStep
    {
        public Tensor Loss(int part)
        {
            using var scope = NewDisposeScope();
            VaeTrainingConfig config = task._config;
            Tensor picture = pictures.narrow(0, (long)part * config.Batch, config.Batch), drawn = noise.narrow(0, (long)part * config.Batch, config.Batch);
            using Tensor moments = task._model.EncodeMoments(picture.to(task._type));
            using var posterior = new DiagonalGaussian(moments.to(float32));
            using Tensor latent = posterior.Sample(drawn).to(task._type);
            Tensor back = task._model.Decode(latent).to(float32);
            Tensor loss = VaeLoss.Reconstruction(back, picture, config.Loss);
            if (config.Loss.Kl > 0) loss = loss + posterior.Divergence().mean() * (config.Loss.Kl / drawn[0].numel());
            return loss.MoveToOuterDisposeScope();
        }

        public void Dispose()
        {
            pictures.Dispose();
            noise.Dispose();
        }
    }
}
