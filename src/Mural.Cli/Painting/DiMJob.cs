using System.Diagnostics;
using System.Globalization;
using Mural.Cli.CommandLine;
using Mural.Imaging;
using Mural.Pipelines;
using Mural.Runtime;
using static TorchSharp.torch;

namespace Mural.Cli.Painting;

/// <summary>Pictures to paint: from which model, what, on what, into which files.</summary>
/// <param name="Model">The model.</param>
/// <param name="Request">What to paint.</param>
/// <param name="Runtime">On what.</param>
/// <param name="Output">Pattern of the files' names, or null for one made from the prompt.</param>
/// <param name="Like">The recipe that is repeated, or null.</param>
internal sealed record DiMJob(ModelFolder Model, DiMRequest Request, RuntimeOptions Runtime, string? Output, PictureRecipe? Like)
{
    /// <summary>Paints, writes the files, says what was done, and returns it for <c>--json</c>.</summary>
    internal async Task<object> RunAsync(CommandContext context)
    {
        // A wrong name should not cost the time of painting.
        ulong[] seeds = [.. Enumerable.Range(0, Request.Count).Select(i => unchecked(Request.Seed + (ulong)i))];
        string[] files = OutputNames.Of(Output ?? OutputNames.FromPrompt(Request.Prompt), seeds);
        string hash = Model.Hash();

        await using DiMPipeline pipeline = await DiMPipeline.LoadAsync(Model.Path, new DiMPipelineOptions { Runtime = Runtime }, context.Cancellation).ConfigureAwait(false);
        DiMPlan plan = pipeline.Plan(Request);
        string[] warnings = [.. Warnings(plan, pipeline.Runtime, hash)];
        Describe(context, plan, pipeline.Runtime);
        foreach (string warning in warnings) context.Warn(warning);

        var output = new OutputFiles(files);
        long start = Stopwatch.GetTimestamp();
        DiMRequest writing = Request with { OnPicture = picture => output.Write(picture.Picture, Metadata(picture, pipeline.Runtime, hash)) };
        IReadOnlyList<DiMPicture> pictures = await output.SayWrittenAsync(context, () => context.WithProgressAsync(report =>
            pipeline.GenerateAsync(writing, new ImmediateProgress<DiMProgress>(value => report(Shown(value))), context.Cancellation))).ConfigureAwait(false);
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        return new
        {
            model = Model.Name,
            plan.Words,
            plan.IgnoredWords,
            plan.Width,
            plan.Height,
            plan.Steps,
            plan.Guidance,
            device = pipeline.Runtime.Device.ToString(),
            precision = pipeline.Runtime.Precision.ShortName(),
            kernels = RunOptions.NameOf(pipeline.Runtime.Kernels),
            seconds = Math.Round(seconds, 3),
            warnings,
            pictures = pictures.Select((picture, i) => new { path = files[i], picture.Seed }),
        };
    }

    private void Describe(CommandContext context, DiMPlan plan, RuntimePlan runtime)
    {
        if (plan.Words.Count > 0) context.Say($"words    {string.Join(", ", plan.Words)}");
        if (plan.IgnoredWords.Count > 0) context.Say($"ignored  {string.Join(", ", plan.IgnoredWords)} (not among the words of {Model.Name})");
        context.Say(string.Create(
            CultureInfo.InvariantCulture,
            $"{plan.Width}x{plan.Height} pixels, {plan.Steps} steps, guidance {plan.Guidance:0.##}, seed {Request.Seed}, {runtime.Precision.ShortName()} on {runtime.Device}"));
    }

    private IEnumerable<string> Warnings(DiMPlan plan, RuntimePlan runtime, string hash)
    {
        foreach (string warning in plan.Warnings) yield return warning;
        if (Like is null) yield break;
        if (Like.ModelHash != hash) yield return $"The weights of {Model.Name} are not those that the picture was painted with, so the new one will differ.";
        if (Like.Device != runtime.Device.ToString()) yield return $"The picture was painted on {Like.Device}, not on {runtime.Device}, so the new one may differ in some pixels.";
    }

    private PictureMetadata Metadata(DiMPicture picture, RuntimePlan runtime, string hash)
    {
        DiMPlan plan = picture.Plan;
        string version = typeof(DiMPipeline).Assembly.GetName().Version!.ToString(3);
        var parameters = new GenerationParameters
        {
            Prompt = Request.Prompt,
            Steps = plan.Steps,
            Sampler = "DPM-Solver",
            GuidanceScale = plan.Guidance,
            Seed = unchecked((long)picture.Seed),
            Width = plan.Width,
            Height = plan.Height,
            ModelHash = hash[..10],
            Model = Model.Name,
            Rng = "CPU",
            Version = $"Mural {version}",
        };
        var recipe = new PictureRecipe
        {
            Mural = version,
            Model = Model.Name,
            ModelHash = hash,
            Prompt = Request.Prompt,
            Width = plan.Width / Request.Upscale,
            Height = plan.Height / Request.Upscale,
            Upscale = Request.Upscale,
            UpscaleShare = Request.Upscale > 1 ? plan.UpsampleGuidance.Share : null,
            Steps = plan.Steps,
            Guidance = plan.Guidance,
            Seed = picture.Seed,
            Device = runtime.Device.ToString(),
            Precision = runtime.Precision.ShortName(),
            Kernels = RunOptions.NameOf(runtime.Kernels),
            Threads = get_num_threads(),
        };
        return PictureMetadata.Of(parameters, recipe.ToJson());
    }

    private static ProgressReport Shown(DiMProgress value) => new(value.Stage == DiMStage.Sampling ? "painting" : "decoding", value.Done, value.Count);
}
