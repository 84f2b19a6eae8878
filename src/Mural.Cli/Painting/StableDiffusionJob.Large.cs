using System.Diagnostics;
using Mural.Cli.CommandLine;
using Mural.Imaging;
using Mural.Pipelines;
using Mural.Runtime;

namespace Mural.Cli.Painting;

// Pictures beyond the size that a model was trained on, painted in stages that outlive the program.
internal sealed partial record StableDiffusionJob
{
    /// <summary>The folder of a picture's stages: beside it.</summary>
    internal static string StagesOf(string file) => file + ".stages";

    private static StableDiffusionRequest Completed(StableDiffusionRequest picture, StableDiffusionRequest loaded) => picture with
    {
        Controls = loaded.Controls,
        PicturePrompts = loaded.PicturePrompts,
        ClipSkip = loaded.ClipSkip
    };

    private async Task<object> PaintLargeAsync(StableDiffusionPipeline pipeline, LargePictureRequest request, string file, CommandContext context, bool onlyPlans)
    {
        LargePicturePlan plan = pipeline.Plan(request);
        string tiles = Path.ChangeExtension(file, null);
        // What cannot be written should not cost the hours of painting.
        LargePicture.Check(file, plan, PictureMetadata.Of(Completed(LargePictureParameters.Of(plan), pipeline.Runtime), null));
        if (DeepZoom) DeepZoomFiles.Check(tiles);
        MemoryForecast forecast = pipeline.Forecast(plan);
        string? shortage = DiskSpace.Shortage(StageFolder.Needed(plan, forecast, StagesOf(file)), StagesOf(file));
        StableDiffusionPlan first = plan.Stages[0].Plan;
        var run = new PlannedRun(Description(plan), first.Model, plan.Width, plan.Height, first.Steps, plan.Warnings, forecast, shortage, pipeline.Runtime);
        if (Announce(context, run, onlyPlans) is { } document) return document;
        long start = Stopwatch.GetTimestamp();
        using LargePicture picture = await context.WithProgressAsync(report =>
            pipeline.GenerateLargeAsync(
                request, StagesOf(file), new ImmediateProgress<LargePictureProgress>(value => report(Shown(value))), context.Cancellation)).ConfigureAwait(false);
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        picture.Save(file, PictureMetadata.Of(Completed(picture.Parameters, pipeline.Runtime), null));
        context.Say(file);
        if (DeepZoom)
        {
            picture.SaveDeepZoom(tiles);
            context.Say(tiles + ".dzi");
        }
        if (!KeepStages) picture.DeleteStages();
        return new
        {
            model = first.Model.Name,
            first.Model.Family,
            plan.Width,
            plan.Height,
            first.Steps,
            method = LargePictureParameters.NameOf(plan.Method),
            plan.Strength,
            stages = plan.Stages.Select(stage => new { stage.Width, stage.Height, stage.Calls }),
            sampler = Samplers.SamplerNames.Of(first.Sampler.Options),
            first.Guidance,
            device = pipeline.Runtime.Device.ToString(),
            precision = pipeline.Runtime.Precision.ShortName(),
            kernels = RunOptions.NameOf(pipeline.Runtime.Kernels),
            memory = ForecastReport.Held(forecast),
            seconds = Math.Round(seconds, 3),
            plan.Warnings,
            pictures = new[] { new { path = file, request.Picture.Seed } },
            deepZoom = DeepZoom ? tiles + ".dzi" : null,
        };
    }

    private static string Description(LargePicturePlan plan) => Description(
        plan.Stages[0].Plan,
        $"{string.Join(" -> ", plan.Stages.Select(stage => $"{stage.Width}x{stage.Height}"))} pixels by {LargePictureParameters.NameOf(plan.Method)}",
        string.Join(" + ", plan.Stages.Select(stage => stage.Calls)));

    private static ProgressReport Shown(LargePictureProgress value) => new($"stage {value.Stage + 1}: {NameOf(value.Step.Stage)}", value.Step.Done, value.Step.Count);
}
