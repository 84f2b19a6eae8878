using Mural.DiM;
using Mural.Runtime;
using Mural.Samplers;
using static TorchSharp.torch;

namespace Mural.Pipelines;

/// <summary>
/// Paints pictures with a Diffusion Mamba: words to a condition, noise from the seed, denoising with guidance, and from latents to pictures. One run at a
/// time; further calls wait for it.
/// </summary>
/// <example>
/// <code>
/// await using var pipeline = await DiMPipeline.LoadAsync("models/emoji");
/// IReadOnlyList&lt;DiMPicture&gt; pictures = await pipeline.GenerateAsync(new DiMRequest { Prompt = "red heart", Seed = 7 });
/// </code>
/// </example>
public sealed class DiMPipeline : IAsyncDisposable
{
    private readonly DiMParts _parts;
    private readonly DiMPainter _painter;
    private readonly DiMPlanner _planner;
    private readonly int _batchSize;
    private readonly PipelineTurn _turn = new();

    private DiMPipeline(DiMParts parts, DiMPipelineOptions options)
    {
        _parts = parts;
        _painter = new DiMPainter(parts, options.BatchGuidance);
        _planner = new DiMPlanner(parts.Index, parts.Model.Config, parts.Vocabulary, parts.PixelsPerValue, upscales: parts.Autoencoder is not null);
        _batchSize = options.BatchSize;
    }

    /// <summary>The model's name and defaults.</summary>
    public DiMModelIndex Index => _parts.Index;

    /// <summary>The sizes of the denoiser.</summary>
    public DiMConfig Config => _parts.Model.Config;

    /// <summary>The words that can be asked for, or null for a model of numbered classes.</summary>
    public Vocabulary? Vocabulary => _parts.Vocabulary;

    /// <summary>Device, precision and kernels, and why they were chosen.</summary>
    public RuntimePlan Runtime => _parts.Runtime;

    /// <summary>Loads a model folder (see <see cref="DiMModelIndex"/>) and makes it ready for inference.</summary>
    /// <exception cref="MuralException">A part is missing, malformed or does not fit the others, or the device is not there.</exception>
    public static Task<DiMPipeline> LoadAsync(string folder, DiMPipelineOptions? options = null, CancellationToken cancellationToken = default)
    {
        options ??= new DiMPipelineOptions();
        if (options.BatchSize < 1) throw new MuralException($"A batch size of {options.BatchSize} was asked for; it is at least 1.");
        return Task.Run(() =>
        {
            RuntimePlan runtime = RuntimePlan.Choose(options.Runtime);
            runtime.Apply();
            return new DiMPipeline(DiMParts.Load(folder, runtime), options);
        }, cancellationToken);
    }

    /// <summary>What <see cref="GenerateAsync"/> would do, without doing it: the words it knows, sizes, settings, warnings.</summary>
    /// <exception cref="MuralException">The request cannot be fulfilled.</exception>
    public DiMPlan Plan(DiMRequest request) => _planner.Plan(request);

    /// <summary>Paints.</summary>
    /// <param name="request">What.</param>
    /// <param name="progress">Told after every network evaluation and every finished picture.</param>
    /// <param name="cancellationToken">Stops within one network evaluation.</param>
    /// <returns>The pictures, in the order of their seeds.</returns>
    /// <exception cref="MuralException">The request cannot be fulfilled.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    /// <exception cref="ObjectDisposedException">The pipeline was disposed of.</exception>
    public async Task<IReadOnlyList<DiMPicture>> GenerateAsync(DiMRequest request, IProgress<DiMProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        DiMPlan plan = Plan(request);
        return await _turn.RunAsync(this, () => Generate(plan, progress, cancellationToken), cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Waits for a run that is going on, then frees the weights.</summary>
    public ValueTask DisposeAsync() => _turn.CloseAsync(_parts.Dispose);

    private List<DiMPicture> Generate(DiMPlan plan, IProgress<DiMProgress>? progress, CancellationToken cancellationToken)
    {
        using var noGradients = no_grad();
        int count = plan.Request.Count;
        ulong[][] batches = [.. Enumerable.Range(0, count).Select(i => unchecked(plan.Request.Seed + (ulong)i)).Chunk(_batchSize)];
        var pictures = new List<DiMPicture>();
        for (int batch = 0; batch < batches.Length; batch++)
        {
            using var scope = NewDisposeScope();
            void Report(SamplerStep step)
            {
                plan.Request.OnStep?.Invoke(step);
                progress?.Report(new DiMProgress(DiMStage.Sampling, (batch * step.Count ?? 0) + step.Index, step.Count * batches.Length));
            }
            Tensor noise = _painter.Noise(plan, batches[batch]);
            Tensor latents = _painter.Denoise(plan, noise, Report, cancellationToken);
            foreach ((int i, ulong seed) in batches[batch].Index())
            {
                cancellationToken.ThrowIfCancellationRequested();
                using Tensor latent = latents.narrow(0, i, 1);
                pictures.Add(new DiMPicture(_painter.Decode(latent), seed, plan));
                plan.Request.OnPicture?.Invoke(pictures[^1]);
                progress?.Report(new DiMProgress(DiMStage.Decoding, pictures.Count, count));
            }
        }
        return pictures;
    }
}
