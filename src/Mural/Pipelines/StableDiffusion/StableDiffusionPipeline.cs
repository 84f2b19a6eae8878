using Mural.Adapters;
using Mural.Checkpoints;
using Mural.Checkpoints.SingleFile;
using Mural.Checkpoints.StableDiffusion;
using Mural.Layers.Strips;
using Mural.Runtime;
using Mural.Samplers;
using Mural.UNet;
using Mural.Vision;
using static TorchSharp.torch;

namespace Mural.Pipelines;

/// <summary>
/// Paints pictures with Stable Diffusion 1, 2 or XL: prompts to vectors, noise from the seed, denoising with guidance, and from latents to pictures. For the same seed the
/// pictures are those of diffusers. One run at a time; further calls wait for it.
/// </summary>
/// <example>
/// <code>
/// await using var pipeline = await StableDiffusionPipeline.LoadAsync("models/stable-diffusion-v1-5");
/// IReadOnlyList&lt;StableDiffusionPicture&gt; pictures = await pipeline.GenerateAsync(new StableDiffusionRequest { Prompt = "a red fox in the snow", Steps = 25, Seed = 7 });
/// PictureWriter.Write("fox.png", pictures[0].Picture);
/// </code>
/// </example>
public sealed partial class StableDiffusionPipeline : IAsyncDisposable
{
    private readonly StableDiffusionParts _parts;
    private readonly StableDiffusionParts? _refiner;
    private readonly StableDiffusionPlanner _planner;
    private readonly StableDiffusionOptions _options;
    private readonly List<IDisposable> _adapters = [];
    private readonly PipelineTurn _turn = new();
    private long _adapterBytes;

    private StableDiffusionPipeline(StableDiffusionParts parts, StableDiffusionParts? refiner, StableDiffusionOptions options)
    {
        _parts = parts;
        _refiner = refiner;
        _planner = new StableDiffusionPlanner(parts, refiner);
        _options = options;
    }

    /// <summary>What the model is, and its defaults.</summary>
    public StableDiffusionModelInfo Model => _parts.Info;

    /// <summary>Device, precision and kernels, and why they were chosen.</summary>
    public RuntimePlan Runtime => _parts.Runtime;

    /// <summary>The LoRAs of <see cref="SetLorasAsync"/> that are in the model now.</summary>
    public IReadOnlyList<StableDiffusionLora> Loras => _parts.Loras;

    /// <summary>Loads a model and makes it ready for inference.</summary>
    /// <param name="path">A model of Stable Diffusion 1, 2 or XL: a folder as diffusers keeps it, or a file of the original layout.</param>
    /// <param name="options">How it runs; null for this machine's best.</param>
    /// <param name="cancellationToken">Gives up before loading begins.</param>
    /// <exception cref="MuralException">A part is missing, malformed or does not fit the others, or the device is not there.</exception>
    public static Task<StableDiffusionPipeline> LoadAsync(string path, StableDiffusionOptions? options = null, CancellationToken cancellationToken = default)
    {
        options ??= new StableDiffusionOptions();
        if (options.BatchSize < 1) throw new MuralException($"A batch size of {options.BatchSize} was asked for; it is at least 1.");
        return Task.Run(() =>
        {
            RuntimePlan runtime = RuntimePlan.Choose(options.Runtime);
            runtime.Apply();
            using var loaded = new PartialLoad();
            StableDiffusionParts parts = loaded.Add(StableDiffusionParts.Load(path, options, runtime));
            var pipeline = new StableDiffusionPipeline(parts, options.Refiner is { } refiner ? LoadRefiner(refiner, options, runtime, parts) : null, options);
            loaded.Complete();
            return pipeline;
        }, cancellationToken);
    }

    /// <summary>Loads a ControlNet for <see cref="StableDiffusionRequest.Controls"/> and makes it ready for this pipeline, which frees it in the end.</summary>
    /// <param name="path">A folder as diffusers keeps it, or one file (<see cref="ControlNetModel.FromFile"/>).</param>
    /// <param name="cancellationToken">Gives up before loading begins.</param>
    /// <exception cref="MuralException">A file is missing or malformed, or the network belongs to another family of models.</exception>
    public Task<ControlNetModel> LoadControlNetAsync(string path, CancellationToken cancellationToken = default) => InTurn(
        () =>
        {
            PictureChecks.Check(path, ControlNetConfigAt(path), _parts.UNet.Config);
            using var loaded = new PartialLoad();
            ControlNetModel network = loaded.Add(File.Exists(path)
                ? ControlNetModel.FromFile(path, _parts.UNet.Config, Runtime.Type, Runtime.Device)
                : ControlNetModel.FromFolder(path, Runtime.Type, _options.Variant, Runtime.Device));
            long bytes = ModuleWeights.Bytes(network);
            network.PrepareForInference(Runtime.Kernels, Runtime.Type);
            loaded.Complete();
            return Keep(network, bytes);
        },
        cancellationToken);

    /// <summary>Loads an IP-Adapter for <see cref="StableDiffusionRequest.PicturePrompts"/>, which this pipeline frees in the end.</summary>
    /// <param name="path">The adapter's file.</param>
    /// <param name="imageEncoder">Folder of the image encoder that belongs to it.</param>
    /// <param name="cancellationToken">Gives up before loading begins.</param>
    /// <exception cref="MuralException">A file is missing or malformed, or the adapter belongs to another family of models or another image encoder.</exception>
    public Task<IpAdapter> LoadIpAdapterAsync(string path, string imageEncoder, CancellationToken cancellationToken = default) => InTurn(
        () =>
        {
            using var loaded = new PartialLoad();
            ClipVisionEncoder encoder = loaded.Add(ClipVisionEncoder.FromFolder(imageEncoder, Runtime.Type, _options.Variant, Runtime.Device));
            long bytes = ModuleWeights.Bytes(encoder);
            encoder.PrepareForInference(Runtime.Kernels, Runtime.Type);
            IpAdapter adapter = IpAdapter.Load(path, _parts.UNet, Runtime, encoder);
            loaded.Complete();
            return Keep(adapter, bytes + adapter.Bytes);
        },
        cancellationToken);

    /// <summary>
    /// Exchanges the LoRAs in the loaded model: gives it these in place of those that an earlier call gave it. With an empty list it is again, to the bit, what it was when it
    /// was loaded. Those of <see cref="StableDiffusionOptions.Loras"/> stay in either way; unlike these, they need no copy of the weights that they change.
    /// </summary>
    /// <param name="loras">All LoRAs that the model shall have now, with their weights; one that is named twice counts twice. SDXL's refiner gets none.</param>
    /// <param name="cancellationToken">Gives up before it begins.</param>
    /// <exception cref="MuralException">A file is missing, malformed or made for another family of models, or a weight is no number; the model keeps what it has.</exception>
    /// <exception cref="ObjectDisposedException">The pipeline was disposed of.</exception>
    public Task SetLorasAsync(IReadOnlyList<StableDiffusionLora> loras, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(loras);
        return InTurn(
            () =>
            {
                _parts.Exchange(loras);
                return _parts.Loras;
            },
            cancellationToken);
    }

    /// <summary>What <see cref="GenerateAsync"/> would do, without doing it: size, settings, warnings.</summary>
    /// <exception cref="MuralException">The request cannot be fulfilled.</exception>
    public StableDiffusionPlan Plan(StableDiffusionRequest request) => _planner.Plan(request);

    /// <summary>Paints.</summary>
    /// <param name="request">What.</param>
    /// <param name="progress">Told once the prompts are read, after every network call and every finished picture.</param>
    /// <param name="cancellationToken">Stops within one network call.</param>
    /// <returns>The pictures, in the order of their seeds.</returns>
    /// <exception cref="MuralException">The request cannot be fulfilled.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    /// <exception cref="ObjectDisposedException">The pipeline was disposed of.</exception>
    public async Task<IReadOnlyList<StableDiffusionPicture>> GenerateAsync(
        StableDiffusionRequest request, IProgress<StableDiffusionProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        StableDiffusionPlan plan = Plan(request);
        MemoryForecast forecast = Forecast(plan);
        DiskSpace.Require(forecast.DiskBytes, Path.GetTempPath());
        return await InTurn(() => Generate(plan, forecast, progress, cancellationToken), cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Whether a folder or a file holds a ControlNet for this family of models; other networks may lie beside them.</summary>
    internal bool Suits(string controlNet)
    {
        try
        {
            return PictureChecks.Fits(ControlNetConfigAt(controlNet), _parts.UNet.Config);
        }
        catch (MuralException)
        {
            return false;
        }
    }

    /// <summary>Waits for a run that is going on, then frees the weights.</summary>
    public ValueTask DisposeAsync() => _turn.CloseAsync(() =>
    {
        foreach (IDisposable adapter in _adapters) adapter.Dispose();
        _refiner?.Dispose();
        _parts.Dispose();
    });

    // Frees it in the end, and counts its bytes among those that are held meanwhile.
    private T Keep<T>(T adapter, long bytes) where T : IDisposable
    {
        _adapters.Add(adapter);
        _adapterBytes += bytes;
        return adapter;
    }

    private ControlNetConfig ControlNetConfigAt(string path)
    {
        if (!File.Exists(path)) return ControlNetConfig.Read(path);
        using ITensorSource file = Checkpoint.Open(path);
        using ComponentSource tensors = ControlNetFile.Tensors(file);
        return ControlNetFile.Config(tensors, _parts.UNet.Config);
    }

    private Task<T> InTurn<T>(Func<T> work, CancellationToken cancellationToken) => _turn.RunAsync(this, work, cancellationToken);

    private static StableDiffusionParts LoadRefiner(string path, StableDiffusionOptions options, RuntimePlan runtime, StableDiffusionParts parts)
    {
        // Words, attentions, changes of layers and what is said of its prediction are the base model's.
        StableDiffusionParts refiner = StableDiffusionParts.Load(
            path, options with { TextualInversions = [], Loras = [], LinFusion = null, Prediction = null }, runtime, parts.Codec);
        if (parts.SizeNumbers > 0 && refiner.SizeNumbers > 0 && !refiner.Info.Inpaints) return refiner;
        string found = refiner.Info.Family;
        refiner.Dispose();
        throw new MuralException($"{path} is a {found} model, which cannot refine what a {parts.Info.Family} model begins; both must be of Stable Diffusion XL.");
    }

    private List<StableDiffusionPicture> Generate(
        StableDiffusionPlan plan, MemoryForecast forecast, IProgress<StableDiffusionProgress>? progress, CancellationToken cancellationToken)
    {
        using var noGradients = no_grad();
        StripOptions? strips = Prepare(forecast, Path.GetTempPath(), cancellationToken);
        using TextTimeline texts = _parts.Encode(plan);
        using TextTimeline? refinerTexts = plan.Refiner is { } second ? _refiner!.Encode(second) : null;
        progress?.Report(new StableDiffusionProgress(StableDiffusionStage.Encoding, 1, 1));
        using var denoiser = new GuidedDenoiser(_parts.UNet, plan, texts, BatchesGuidance(plan), strips);
        using GuidedDenoiser? refiner = refinerTexts is null ? null : new GuidedDenoiser(_refiner!.UNet, plan.Refiner!, refinerTexts, BatchesGuidance(plan), strips);
        var painter = new StableDiffusionPainter(_parts, plan, denoiser, refiner);
        long[][] batches = [.. Enumerable.Range(0, plan.Request.Count).Select(i => unchecked(plan.Request.Seed + i)).Chunk(_options.BatchSize)];
        int calls = plan.RunCalls;
        var pictures = new List<StableDiffusionPicture>();
        for (int batch = 0; batch < batches.Length; batch++)
        {
            using var scope = NewDisposeScope();
            using var noise = new PictureNoise(plan.Request.Noise, batches[batch], _parts.Runtime.Device);
            void Report(SamplerStep step)
            {
                plan.Request.OnStep?.Invoke(step);
                bool shows = progress is not null && plan.Request.PreviewEvery > 0 && step.Index % plan.Request.PreviewEvery == 0;
                progress?.Report(new StableDiffusionProgress(StableDiffusionStage.Sampling, batch * calls + step.Index, calls * batches.Length)
                {
                    Preview = shows ? painter.Preview(step.Estimate) : null,
                });
            }
            Tensor latents = painter.Paint(batches[batch].Length, noise, Report, cancellationToken);
            foreach ((int i, long seed) in batches[batch].Index())
            {
                cancellationToken.ThrowIfCancellationRequested();
                using Tensor latent = latents.narrow(0, i, 1);
                pictures.Add(new StableDiffusionPicture(painter.Decode(latent), seed, plan));
                plan.Request.OnPicture?.Invoke(pictures[^1]);
                progress?.Report(new StableDiffusionProgress(StableDiffusionStage.Decoding, pictures.Count, plan.Request.Count));
            }
        }
        return pictures;
    }

    private bool BatchesGuidance(StableDiffusionPlan plan) => _options.BatchGuidance ?? MemoryRules.ActivationBytes(
        _parts.UNet.Config, plan.Height / Model.Multiple, plan.Width / Model.Multiple,
        TextCounts.Of(plan, _options.Prompts).All * Math.Min(_options.BatchSize, plan.Request.Count), Runtime.Type) < MemoryRules.BatchedActivations;
}
