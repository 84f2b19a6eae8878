using System.Diagnostics;
using System.Globalization;
using Mural.Cli.CommandLine;
using Mural.Imaging;
using Mural.Pipelines;
using Mural.Runtime;

namespace Mural.Cli.Painting;

/// <summary>Pictures to paint with Stable Diffusion: from which model, what, on what, into which files.</summary>
/// <param name="Model">The model's folder or file.</param>
/// <param name="Text">The prompt as it was given, with its LoRAs.</param>
/// <param name="Request">
/// What to paint, but for ControlNets and IP-Adapters. Layers of the text encoders to leave out are counted without those that the model's family leaves out itself.
/// </param>
/// <param name="Options">On what.</param>
/// <param name="Controls">The ControlNets.</param>
/// <param name="PicturePrompts">The IP-Adapters.</param>
/// <param name="Output">Pattern of the files' names, or null for one made from the prompt.</param>
internal sealed partial record StableDiffusionJob(
    string Model,
    string Text,
    StableDiffusionRequest Request,
    StableDiffusionOptions Options,
    IReadOnlyList<ControlArgument> Controls,
    IReadOnlyList<PicturePromptArgument> PicturePrompts,
    string? Output)
{
    /// <summary>What the picture's text names beside model and settings.</summary>
    internal IReadOnlyList<KeyValuePair<string, string>> Ingredients { get; init; } = [];

    /// <summary>The large picture to paint instead of <see cref="Request"/>, or null.</summary>
    internal LargePictureRequest? Large { get; init; }

    /// <summary>Whether a large picture gets a pyramid of tiles beside it.</summary>
    internal bool DeepZoom { get; init; }

    /// <summary>Whether a large picture's stages stay.</summary>
    internal bool KeepStages { get; init; }

    /// <summary>Name of the setting, in a picture's text, that tells the number format.</summary>
    internal const string PrecisionSetting = "Precision";

    /// <summary>The files that a request's pictures go to.</summary>
    /// <param name="output">Pattern of their names, or null for one made from the prompt.</param>
    /// <param name="request">What is painted.</param>
    /// <param name="large">Whether it becomes a large picture.</param>
    /// <exception cref="MuralException">The pattern has another placeholder, or no extension of a picture.</exception>
    internal static string[] FilesOf(string? output, StableDiffusionRequest request, bool large) => OutputNames.Of(
        output ?? OutputNames.FromPrompt(request.Prompt), [.. Enumerable.Range(0, request.Count).Select(i => unchecked((ulong)(request.Seed + i)))], large);

    /// <summary>Paints, writes the files, says what was done, and returns it for <c>--json</c>; or only tells what that would need.</summary>
    internal async Task<object> RunAsync(CommandContext context, bool onlyPlans)
    {
        // A wrong name should not cost the time of painting.
        string[] files = FilesOf(Output, Request, Large is not null);
        await using StableDiffusionPipeline pipeline = await StableDiffusionPipeline.LoadAsync(Model, Options, context.Cancellation).ConfigureAwait(false);
        StableDiffusionRequest request = Request with
        {
            Controls = await Guides.LoadAsync(pipeline, Controls, context.Cancellation).ConfigureAwait(false),
            PicturePrompts = await Guides.LoadAsync(pipeline, PicturePrompts, Model, context.Cancellation).ConfigureAwait(false),
            // People and pictures' texts count them for every family.
            ClipSkip = Math.Max(Request.ClipSkip - pipeline.Model.LayersLeftOut, 0),
        };
        if (Large is { } large)
            return await PaintLargeAsync(pipeline, large with { Picture = Completed(large.Picture, request) }, files[0], context, onlyPlans).ConfigureAwait(false);
        StableDiffusionPlan plan = pipeline.Plan(request);
        MemoryForecast forecast = pipeline.Forecast(plan);
        var run = new PlannedRun(
            Description(plan), plan.Model, plan.Width, plan.Height, plan.Steps, plan.Warnings, forecast,
            DiskSpace.Shortage(forecast.DiskBytes, Path.GetTempPath()), pipeline.Runtime);
        if (Announce(context, run, onlyPlans) is { } document) return document;

        var output = new OutputFiles(files);
        long start = Stopwatch.GetTimestamp();
        using var preview = new PreviewFile(files[0]);
        StableDiffusionRequest writing = request with { OnPicture = picture => output.Write(picture.Picture, PictureMetadata.Of(Parameters(picture, pipeline.Runtime), null)) };
        IReadOnlyList<StableDiffusionPicture> pictures = await output.SayWrittenAsync(context, () => context.WithProgressAsync(report =>
        {
            void Tell(StableDiffusionProgress value)
            {
                if (value.Preview is { } seen) preview.Show(seen);
                report(new ProgressReport(NameOf(value.Stage), value.Done, value.Count));
            }
            return pipeline.GenerateAsync(writing, new ImmediateProgress<StableDiffusionProgress>(Tell), context.Cancellation);
        })).ConfigureAwait(false);
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        return new
        {
            model = plan.Model.Name,
            plan.Model.Family,
            plan.Width,
            plan.Height,
            plan.Steps,
            calls = plan.RunCalls,
            sampler = Samplers.SamplerNames.Of(plan.Sampler.Options),
            plan.Guidance,
            plan.Strength,
            device = pipeline.Runtime.Device.ToString(),
            precision = pipeline.Runtime.Precision.ShortName(),
            kernels = RunOptions.NameOf(pipeline.Runtime.Kernels),
            memory = ForecastReport.Held(forecast),
            seconds = Math.Round(seconds, 3),
            plan.Warnings,
            pictures = pictures.Select((picture, i) => new { path = files[i], picture.Seed }),
        };
    }

    /// <summary>Says what will be painted and what that needs. Returns the document of a run that only plans, or null for one that goes on.</summary>
    /// <exception cref="MuralException">It would go on, and the disk has no room for it.</exception>
    private static object? Announce(CommandContext context, PlannedRun run, bool onlyPlans)
    {
        context.Say($"{run.Description}, {run.Runtime.Precision.ShortName()} on {run.Runtime.Device}");
        foreach (string warning in run.Warnings) context.Warn(warning);
        if (onlyPlans)
        {
            if (run.DiskShortage is not null) context.Warn(run.DiskShortage);
            ForecastReport.SayLong(context, run.Forecast, run.Runtime);
            return ForecastReport.Document(run);
        }
        ForecastReport.SayShort(context, run.Forecast, run.Runtime);
        if (run.DiskShortage is not null) throw new MuralException(run.DiskShortage);
        return null;
    }

    private static string Description(StableDiffusionPlan plan) => Description(plan, $"{plan.Width}x{plan.Height} pixels", $"{plan.Steps}");

    private static string Description(StableDiffusionPlan plan, string sizes, string steps) => string.Create(
        CultureInfo.InvariantCulture,
        $"{plan.Model.Family}, {sizes}, {steps} steps of {Samplers.SamplerNames.Of(plan.Sampler.Options)}, guidance {plan.Guidance:0.##}, seed {plan.Request.Seed}");

    private GenerationParameters Parameters(StableDiffusionPicture picture, RuntimePlan runtime) => Completed(picture.Parameters, runtime);

    private GenerationParameters Completed(GenerationParameters parameters, RuntimePlan runtime) =>
        parameters with { Prompt = Text, Others = [.. parameters.Others, .. Ingredients, new(PrecisionSetting, runtime.Precision.ShortName())] };

    private static string NameOf(StableDiffusionStage stage) => stage switch
    {
        StableDiffusionStage.Encoding => "reading",
        StableDiffusionStage.Sampling => "painting",
        _ => "decoding"
    };
}
