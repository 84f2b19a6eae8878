using System.Globalization;
using Mural.Autoencoders;
using Mural.Imaging;
using Mural.Layers;
using Mural.Runtime;
using Mural.Samplers;
using Mural.Text;
using Mural.Training.Data;
using Mural.UNet;
using TorchSharp;
using static TorchSharp.torch;

namespace Mural.Training;

/// <summary>Trains a UNet of Stable Diffusion's architecture and a text encoder to find what a caption says in noisy latents (arXiv 2112.10752).</summary>
internal sealed class UNetTask : ITrainingTask
{
    private readonly UNetTrainingConfig _config;
    private readonly PictureSet _pictures;
    private readonly TrainingLatents _latents;
    private readonly TrainingCaptions _captions;
    private readonly SampleOrder _order;
    private readonly ClipVocabulary _vocabulary;
    private readonly ClipTokenizer _tokenizer;
    private readonly TextToImageNetwork _model, _average;
    private readonly SamplerOptions _sampling;
    private readonly ScalarType _type;
    private readonly Device _device;

    internal UNetTask(UNetTrainingConfig config, PictureSet pictures, Device device, Action<string> report, CancellationToken cancellation)
    {
        (_config, _pictures, _device, _type) = (config, pictures, device, config.ComputeType);
        _captions = new TrainingCaptions(config, pictures.Items);
        _order = new SampleOrder(_captions.Balanced(pictures.Training), config.Seed);
        _sampling = UNetResult.Sampling(config.Prediction);
        // Held-out captions are not to be known, not even by their tokens.
        _vocabulary = config.InitialiseFrom is { } given
            ? UNetResult.ReadVocabulary(Settings.Resolve(config.SettingsPath, given))
            : BytePairTraining.Learn(pictures.Training.Select(_captions.Of), config.Text.Vocabulary);
        _tokenizer = new ClipTokenizer(_vocabulary, windowLength: config.Text.MaxLength);
        int cut = pictures.Training.Count(row => _tokenizer.Encode(_captions.Of(row)).Count > _tokenizer.WindowTokens);
        if (cut > 0) report($"{cut:N0} of {pictures.Training.Count:N0} captions are longer than the {_tokenizer.WindowTokens} tokens of a window and are cut off");
        using var loaded = new PartialLoad();
        _latents = loaded.Add(TrainingLatents.Open(
            pictures, AutoencoderKL.FromFolder(Settings.Resolve(config.SettingsPath, config.Autoencoder)), _type, device, config.Data, config.SettingsPath, report, cancellation));
        AutoencoderConfig autoencoder = _latents.Autoencoder.Config;
        UNetConfig unet = config.Model.ToUNetConfig(autoencoder.LatentChannels, config.Data.Size / autoencoder.Downscale, config.Text.Width);
        ClipTextConfig text = config.Text.ToClipTextConfig(_tokenizer);
        using var seed = new GlobalSeed(config.Seed);
        _model = loaded.Add(new TextToImageNetwork(unet, text, new LayerFactory(ScalarType.Float32, Initialize: true, device)));
        UNetInitialization.ZeroBranches(_model.UNet);
        _average = loaded.Add(new TextToImageNetwork(unet, text, new LayerFactory(ScalarType.Float32, Initialize: false, device)));
        report($"training {_model.parameters().Sum(parameter => parameter.numel()) / 1e6:F1} million weights, "
            + $"{_model.TextEncoder.parameters().Sum(parameter => parameter.numel()) / 1e6:F1} of them the text encoder's; {_tokenizer.VocabularySize:N0} tokens");
        loaded.Complete();
    }

    public nn.Module Model => _model;

    public nn.Module Average => _average;

    public string Identity => string.Create(CultureInfo.InvariantCulture,
        $"unet {Architecture()}, {_config.Prediction}, seed {_config.Seed}, batch {_config.StepSamples}, "
            + $"tokens {TokensKey()}, captions {_captions.Key}, split {_pictures.SplitKey}{(_config.Balance > 0 ? $", balance {_config.Balance}" : "")}, data {_latents.Key}");

    public void Initialise()
    {
        if (_config.InitialiseFrom is { } given) UNetResult.ReadWeights(Settings.Resolve(_config.SettingsPath, given), _model, _config.Prediction);
    }

    public ITrainingStep Draw(long step)
    {
        int count = _config.StepSamples;
        int[] rows = _order.Take(step * count, count);
        ulong seed = SplitMix.Combine(_config.Seed, step);
        using var generator = new Generator(seed);
        using DisposeScope scope = NewDisposeScope();
        Tensor clean = _latents.Draw(rows, generator), noise = randn(clean.shape, generator: generator);
        Tensor ids = Ids(_captions.Shown(rows, new SplitMix(seed)));
        long[] timesteps = randint(0, NoisyLatents.Table(_sampling).Steps, [count], dtype: ScalarType.Int64, generator: generator).data<long>().ToArray();
        NoisyLatents latents = NoisyLatents.At(_sampling, clean.to(_device), noise.to(_device), timesteps);
        Tensor? weights = _config.MinSnrGamma is double gamma ? MinSnr.Weights(NoisyLatents.Ratios(_sampling, timesteps, _device), gamma, _config.Prediction) : null;
        return new Samples(this, [latents.Noisy, latents.Target, tensor(timesteps, device: _device), ids, .. weights is null ? Array.Empty<Tensor>() : [weights]]);
    }

    public IReadOnlyList<(string Name, double Value)> WriteSheet(string path, CancellationToken cancellation)
    {
        int[] rows = _pictures.ForSheet(_config.Sheet.Pictures);
        using DisposeScope scope = NewDisposeScope();
        using IDisposable quiet = no_grad();
        using var generator = new Generator((ulong)_config.Seed);
        Tensor Noise(long[] shape) => randn(shape, generator: generator).to(_device);
        Sampler sampler = Sampler.Create(_sampling, _config.Sheet.Steps);
        using PreparedPrompt told = Prepare([.. rows.Select(_captions.Of)]), nothing = Prepare([""]);
        long[] shape = [rows.Length, _latents.Autoencoder.Config.LatentChannels, _model.UNet.Config.SampleSize!.Value, _model.UNet.Config.SampleSize!.Value];
        Tensor latents = sampler.Sample(
            (input, call) => Guided(input, call, told, nothing), Noise(shape) * sampler.InitialNoiseSigma, like => Noise(like.shape), cancellationToken: cancellation);
        Tensor samples = _latents.Autoencoder.Decode(_latents.Autoencoder.UnscaleLatent(latents));
        PictureWriter.Write(path, new SampleGrid { Columns = (int)Math.Ceiling(Math.Sqrt(rows.Length)) }.Tile(PictureTensors.ToPictures(samples)));
        return [];
    }

    public void WriteResult(string folder, CancellationToken cancellation) => UNetResult.Write(folder, _average, _vocabulary, _config, cancellation);

    public void Dispose()
    {
        _model.Dispose();
        _average.Dispose();
        _latents.Dispose();
        _pictures.Dispose();
    }

    private Tensor Ids(string[] captions) => tensor([.. captions.SelectMany(_tokenizer.EncodeWindow)], [captions.Length, _tokenizer.WindowLength], device: _device);

    private PreparedPrompt Prepare(string[] captions)
    {
        using DisposeScope scope = NewDisposeScope();
        return _average.UNet.Prepare(new UNetConditioning(_average.Encode(Ids(captions)).to(_type)));
    }

    private Tensor Guided(Tensor input, DenoiserCall call, PreparedPrompt told, PreparedPrompt nothing)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor timestep = tensor(call.Timestep, device: _device);
        Tensor towards = _average.UNet.Run(input, timestep, told);
        if (_config.Sheet.Guidance == 1) return towards.MoveToOuterDisposeScope();
        Tensor away = _average.UNet.Run(input, timestep, nothing);
        return (away + _config.Sheet.Guidance * (towards - away)).MoveToOuterDisposeScope();
    }

    private string Architecture()
    {
        UNetModelConfig model = _config.Model;
        UNetTextConfig text = _config.Text;
        string attention = model.Attention is null ? "" : $" attention {string.Join('-', model.Attention.Select(attends => attends ? 1 : 0))}";
        return $"{string.Join('-', model.BlockOutChannels)} x{model.LayersPerBlock}{attention} heads of {model.HeadChannels} "
            + $"transformers x{model.TransformerLayers} groups {model.NormNumGroups}, text {text.Width}x{text.Layers} heads {text.Heads} window {text.MaxLength}";
    }

    private string TokensKey() => $"{_tokenizer.VocabularySize}-{ContentHash.Of(_vocabulary.Merges.Select(merge => $"{merge.Left} {merge.Right}"))}";

    // Noisy latents, targets, timesteps, ids and, where they are weighed, weights.
    private sealed class Samples : ITrainingStep
    {
        private readonly UNetTask _task;
        private readonly Tensor[] _drawn;

        internal Samples(UNetTask task, Tensor[] drawn) => (_task, _drawn) = (task, [.. drawn.Select(tensor => tensor.DetachFromDisposeScope())]);

        public Tensor Loss(int part)
        {
            using DisposeScope scope = NewDisposeScope();
            int count = _task._config.Batch;
            Tensor[] mine = [.. _drawn.Select(tensor => tensor.narrow(0, (long)part * count, count))];
            Tensor prediction = _task._model.Predict(mine[0], mine[2], _task._model.Encode(mine[3]), _task._type);
            Tensor losses = (prediction - mine[1]).square().mean([1, 2, 3]);
            if (mine.Length > 4) losses = losses * mine[4];
            return losses.mean().MoveToOuterDisposeScope();
        }

        public void Dispose()
        {
            foreach (Tensor tensor in _drawn) tensor.Dispose();
        }
    }
}
