using System.Diagnostics;
using System.Globalization;
using Mural.Adapters;
using Mural.Cli.CommandLine;
using Mural.Imaging;
using Mural.Pipelines;
using Mural.Runtime;

namespace Mural.Cli.Painting;

/// <summary>Pictures to paint with Stable Diffusion: from which model, what, on what, into which files.</summary>
/// <param name="Model">The model's folder or file.</param>
/// <param name="Text">The prompt as it was given, with its LoRAs.</param>
/// <param name="Request">What to paint, but for ControlNets and IP-Adapters.</param>
/// <param name="Options">On what.</param>
/// <param name="Controls">The ControlNets.</param>
/// <param name="PicturePrompts">The IP-Adapters.</param>
/// <param name="Output">Pattern of the files' names, or null for one made from the prompt.</param>
internal sealed record StableDiffusionJob(
    string Model,
    string Text,
    StableDiffusionRequest Request,
    StableDiffusionOptions Options,
    IReadOnlyList<ControlArgument> Controls,
    IReadOnlyList<PicturePromptArgument> PicturePrompts,
    string? Output)
{
    /// <summary>Name of the setting, in a picture's text, that tells the number format.</summary>
    internal const string PrecisionSetting = "Precision";

    /// <summary>Paints, writes the files, says what was done, and returns it for <c>--json</c>.</summary>
    internal object Paint(CommandContext context) => PaintAsync(context).GetAwaiter().GetResult();

    private async Task<object> PaintAsync(CommandContext context)
    {
        // A wrong name should not cost the time of painting.
        string[] files = OutputNames.Of(Output ?? OutputNames.FromPrompt(Request.Prompt), [.. Enumerable.Range(0, Request.Count).Select(i => unchecked((ulong)(Request.Seed + i)))]);
        await using StableDiffusionPipeline pipeline = await StableDiffusionPipeline.LoadAsync(Model, Options, context.Cancellation).ConfigureAwait(false);
        StableDiffusionRequest request = Request with
        {
            Controls = await LoadControlsAsync(pipeline, context).ConfigureAwait(false),
            PicturePrompts = await LoadAdaptersAsync(pipeline, context).ConfigureAwait(false),
        };
        StableDiffusionPlan plan = pipeline.Plan(request);
        Describe(context, plan, pipeline.Runtime);
        foreach (string warning in plan.Warnings) context.Warn(warning);

        long start = Stopwatch.GetTimestamp();
        using var preview = new PreviewFile(files[0]);
        IReadOnlyList<StableDiffusionPicture> pictures = context.WithProgress(report =>
            pipeline.GenerateAsync(request, new Reporter(report, preview), context.Cancellation).GetAwaiter().GetResult());
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        foreach ((int i, StableDiffusionPicture picture) in pictures.Index())
        {
            PictureWriter.Write(files[i], picture.Picture, null, PictureMetadata.Of(Parameters(picture, pipeline.Runtime), null));
            context.Say(files[i]);
        }
        return new
        {
            model = plan.Model.Name,
            plan.Model.Family,
            plan.Width,
            plan.Height,
            plan.Steps,
            calls = plan.Calls + (plan.Refiner?.Calls ?? 0),
            sampler = Samplers.SamplerNames.Of(plan.Sampler.Options),
            plan.Guidance,
            plan.Strength,
            device = pipeline.Runtime.Device.ToString(),
            precision = pipeline.Runtime.Precision.ShortName(),
            kernels = RunOptions.NameOf(pipeline.Runtime.Kernels),
            seconds = Math.Round(seconds, 3),
            plan.Warnings,
            pictures = pictures.Select((picture, i) => new { path = files[i], picture.Seed }),
        };
    }

    private async Task<IReadOnlyList<ControlInput>> LoadControlsAsync(StableDiffusionPipeline pipeline, CommandContext context)
    {
        var inputs = new List<ControlInput>();
        foreach (ControlArgument control in Controls)
        {
            Picture map = PictureReader.Read(control.Image);
            string path = ControlCatalog.Find(control.Type, pipeline.Suits);
            inputs.Add(new ControlInput(await pipeline.LoadControlNetAsync(path, context.Cancellation).ConfigureAwait(false), map)
            {
                Scale = control.Scale,
                Start = control.Start,
                End = control.End,
                GuessMode = control.Guess,
            });
        }
        return inputs;
    }

    private async Task<IReadOnlyList<PicturePrompt>> LoadAdaptersAsync(StableDiffusionPipeline pipeline, CommandContext context)
    {
        var prompts = new List<PicturePrompt>();
        foreach (PicturePromptArgument prompt in PicturePrompts)
        {
            Picture picture = PictureReader.Read(prompt.Image);
            IpAdapter adapter = await pipeline.LoadIpAdapterAsync(prompt.Model, prompt.FindEncoder(Model), context.Cancellation).ConfigureAwait(false);
            prompts.Add(new PicturePrompt(adapter, picture) { Scale = prompt.Scale });
        }
        return prompts;
    }

    private static void Describe(CommandContext context, StableDiffusionPlan plan, RuntimePlan runtime) => context.Say(string.Create(
        CultureInfo.InvariantCulture,
        $"{plan.Model.Family}, {plan.Width}x{plan.Height} pixels, {plan.Steps} steps of {Samplers.SamplerNames.Of(plan.Sampler.Options)}, guidance {plan.Guidance:0.##}, seed {plan.Request.Seed}, {runtime.Precision.ShortName()} on {runtime.Device}"));

    private GenerationParameters Parameters(StableDiffusionPicture picture, RuntimePlan runtime)
    {
        GenerationParameters parameters = picture.Parameters;
        return parameters with { Prompt = Text, Others = [.. parameters.Others, new(PrecisionSetting, runtime.Precision.ShortName())] };
    }

    /// <summary>Reports on the painting thread, in order; <see cref="Progress{T}"/> would queue reports up.</summary>
    private sealed class Reporter(Action<ProgressReport> report, PreviewFile preview) : IProgress<StableDiffusionProgress>
    {
        public void Report(StableDiffusionProgress value)
        {
            if (value.Preview is { } picture) preview.Show(picture);
            report(new ProgressReport(
                value.Stage switch { StableDiffusionStage.Encoding => "reading", StableDiffusionStage.Sampling => "painting", _ => "decoding" }, value.Done, value.Count));
        }
    }
}
