using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using Mural.Cli.CommandLine;
using Mural.Cli.Painting;
using Mural.HiDiffusion;
using Mural.Imaging;
using Mural.Pipelines;

namespace Mural.Cli.Commands;

/// <summary><c>mural compare</c>: one prompt and seed, painted plainly and with the parts of HiDiffusion, on one sheet with times.</summary>
internal sealed class CompareCommand : MuralCommand
{
    // What the built-in font needs of width, so that labels are legible beside pictures of any size.
    private const int PixelsOfWidthPerTextScale = 256;

    private readonly Argument<string> _prompt = new("prompt") { Description = "What to paint.", HelpName = "PROMPT" };
    private readonly Option<string?> _model = new("--model", "-m")
    {
        Description = "A model of Stable Diffusion: its folder, file or name.",
        HelpName = "PATH|NAME",
        Required = true
    };

    private readonly Option<PictureSize?> _size = PictureSize.Option(
        "--size", "Size in pixels (default: twice the sides that the model was trained on, with --init-image that picture's).");
    private readonly Option<int?> _steps = new("--steps") { Description = "Sampling steps (default: the model's).", HelpName = "N" };
    private readonly Option<double?> _guidance = new("--guidance")
    {
        Description = "How strongly to follow the prompt; 1 is without guidance (default: the model's).",
        HelpName = "SCALE"
    };

    private readonly Option<long?> _seed = new("--seed") { Description = "Seed of all pictures (default: a random one).", HelpName = "N" };
    private readonly Option<string> _output = new("--output", "-o")
    {
        Description = "File for the sheet (.png, .jpg, .webp).",
        HelpName = "FILE",
        DefaultValueFactory = _ => "compare.png"
    };

    private readonly DiffusionOptions _diffusion = new(compares: true);
    private readonly MemoryOptions _memory = new();
    private readonly RunOptions _run = new();

    internal CompareCommand() : base("compare", "Paint one prompt and seed plainly and with HiDiffusion's parts, on one sheet with times.")
    {
        Add(_prompt);
        foreach (Option option in (Option[])[_model, _size, _steps, _guidance, _seed, _output]) Add(option);
        _steps.TakeAtLeast(1);
        _seed.TakeAtLeast(0);
        _diffusion.AddTo(this);
        _memory.AddTo(this);
        _run.AddTo(this);
    }

    internal override IReadOnlyList<string> Examples =>
    [
        "compare \"a red fox in the snow\" --model stable-diffusion-v1-5 --size 1024x1024 --steps 25 -o fox.png",
        "compare \"a lighthouse\" --model stable-diffusion-v1-5 --hidiffusion=2048 --t1 0.5 --seed 7",
        "compare \"a fox\" --model stable-diffusion-v1-5 --size 1024x1024 --lora ink.safetensors:0.8 --control type=canny,image=edges.png",
    ];

    internal override async Task<object?> RunAsync(CommandContext context)
    {
        ModelFolder model = ModelCatalog.Find(context.Value(_model)!);
        if (model.IsDiM()) throw new MuralException($"HiDiffusion is for models of Stable Diffusion, but {model.Name} is a DiM; name another model.");
        long seed = context.Value(_seed) ?? Random.Shared.Next();
        // A place that cannot be written to should not cost the time of painting.
        string file = OutputNames.Of(context.Value(_output)!, [(ulong)seed])[0];
        Checkpoints.AtomicFile.RequireWritable(file);
        LoraArguments loras = _diffusion.Loras(context, context.Value(_prompt)!);
        var begun = new StableDiffusionRequest
        {
            Prompt = loras.Prompt,
            Steps = context.Value(_steps),
            Guidance = context.Value(_guidance),
            Seed = seed,
            HiDiffusion = new HiDiffusionOptions()
        };
        StableDiffusionRequest asked = _diffusion.Apply(begun, context);
        HiDiffusionOptions both = asked.HiDiffusion ?? throw new MuralException("Without HiDiffusion there is nothing to compare; leave --hidiffusion=off out.");
        // Text encoders that are read again would count against every picture.
        StableDiffusionOptions options = _memory.Apply(_diffusion.Options(context), context) with { Runtime = _run.Read(context), Loras = loras.Loras, KeepTextEncoders = true };
        await using StableDiffusionPipeline pipeline = await StableDiffusionPipeline.LoadAsync(model.Path, options, context.Cancellation).ConfigureAwait(false);
        StableDiffusionRequest plain = await PlainAsync(context, pipeline, asked, model.Path).ConfigureAwait(false);
        StableDiffusionPlan plan = pipeline.Plan(plain with { HiDiffusion = both });
        // What does not fit, or into no mode of memory, should not cost the time of the pictures before it.
        pipeline.Forecast(plan);
        context.Say(string.Create(CultureInfo.InvariantCulture, $"{plan.Model.Family}, {plan.Width}x{plan.Height} pixels, {plan.Steps} steps, seed {plain.Seed}"));
        foreach (string warning in plan.Warnings) context.Warn(warning);

        Setting[] settings = [new("plain", null), new("RAU-Net only", both with { WindowAttention = false }), new("windows only", both with { RauNet = false }), new("both", both)];
        await WarmAsync(pipeline, plain, settings, context.Cancellation).ConfigureAwait(false);
        List<(Picture Picture, double Seconds)> painted = await context.WithProgressAsync(report =>
            PaintAsync(pipeline, plain, settings, report, context.Cancellation)).ConfigureAwait(false);
        string[] labels = [.. settings.Zip(painted, (setting, one) => string.Create(
            CultureInfo.InvariantCulture, $"{setting.Name}: {one.Seconds:0.0} s{(setting.Options is null ? "" : $", {painted[0].Seconds / one.Seconds:0.00}x")}"))];
        var sheet = new SampleGrid { Columns = 2, TextScale = Math.Max(1, plan.Width / PixelsOfWidthPerTextScale), Margin = Math.Max(4, plan.Width / 64) };
        PictureWriter.Write(file, sheet.Tile([.. painted.Select(one => one.Picture)], labels));
        foreach (string label in labels) context.Say(label);
        context.Say(file);
        return new
        {
            model = plan.Model.Name,
            plan.Width,
            plan.Height,
            plan.Steps,
            plain.Seed,
            hiDiffusion = HiDiffusionWords.Write(both),
            path = file,
            pictures = settings.Zip(painted, (setting, one) =>
                new { setting.Name, seconds = Math.Round(one.Seconds, 3), speedup = Math.Round(painted[0].Seconds / one.Seconds, 3) }),
            plan.Warnings,
        };
    }

    // What is asked for, but for HiDiffusion.
    private async Task<StableDiffusionRequest> PlainAsync(CommandContext context, StableDiffusionPipeline pipeline, StableDiffusionRequest asked, string model)
    {
        PictureSize? size = context.Value(_size);
        int? side = asked.InitialPicture is null ? 2 * pipeline.Model.Side : null;
        return asked with
        {
            HiDiffusion = null,
            Width = size?.Width ?? side,
            Height = size?.Height ?? side,
            // People count them for every family.
            ClipSkip = Math.Max(asked.ClipSkip - pipeline.Model.LayersLeftOut, 0),
            Controls = await Guides.LoadAsync(pipeline, _diffusion.Controls(context), context.Cancellation).ConfigureAwait(false),
            PicturePrompts = await Guides.LoadAsync(pipeline, _diffusion.PicturePrompts(context), model, context.Cancellation).ConfigureAwait(false),
        };
    }

    // What a setting does once, before its first picture, would count against it. Of a single step a share is none.
    private static async Task WarmAsync(StableDiffusionPipeline pipeline, StableDiffusionRequest plain, Setting[] settings, CancellationToken cancellation)
    {
        // The network is the same under every sampler, and some refuse a single step.
        StableDiffusionRequest first = plain with { Steps = 1, Sampler = "euler", Schedule = null, Strength = plain.InitialPicture is null ? null : 1 };
        foreach ((_, HiDiffusionOptions? options) in settings)
            await pipeline.GenerateAsync(
                first with { HiDiffusion = options is null ? null : options with { T1 = 1, T2 = 1 } }, cancellationToken: cancellation).ConfigureAwait(false);
    }

    private static async Task<List<(Picture Picture, double Seconds)>> PaintAsync(
        StableDiffusionPipeline pipeline, StableDiffusionRequest plain, Setting[] settings, Action<ProgressReport> report, CancellationToken cancellation)
    {
        var painted = new List<(Picture, double)>();
        foreach ((string name, HiDiffusionOptions? options) in settings)
        {
            report(new ProgressReport(name, painted.Count, settings.Length));
            long start = Stopwatch.GetTimestamp();
            IReadOnlyList<StableDiffusionPicture> pictures = await pipeline.GenerateAsync(
                plain with { HiDiffusion = options }, cancellationToken: cancellation).ConfigureAwait(false);
            painted.Add((pictures[0].Picture, Stopwatch.GetElapsedTime(start).TotalSeconds));
        }
        return painted;
    }

    /// <summary>A way to paint the picture: with which parts of HiDiffusion, or null for none.</summary>
    private sealed record Setting(string Name, HiDiffusionOptions? Options);
}
