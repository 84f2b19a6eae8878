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
    private readonly Option<string?> _model = new("--model", "-m") { Description = "A model of Stable Diffusion: its folder, file or name.", HelpName = "PATH|NAME", Required = true };
    private readonly Option<PictureSize?> _size = PictureSize.Option("--size", "Size in pixels (default: twice the sides that the model was trained on, with --init-image that picture's).");
    private readonly Option<int?> _steps = new("--steps") { Description = "Sampling steps (default: the model's).", HelpName = "N" };
    private readonly Option<double?> _guidance = new("--guidance") { Description = "How strongly to follow the words; 1 is not at all (default: the model's).", HelpName = "SCALE" };
    private readonly Option<long?> _seed = new("--seed") { Description = "Seed of all pictures (default: a random one).", HelpName = "N" };
    private readonly Option<string> _output = new("--output", "-o") { Description = "File for the sheet (.png, .jpg, .webp).", HelpName = "FILE", DefaultValueFactory = _ => "compare.png" };
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
        var begun = new StableDiffusionRequest { Prompt = loras.Prompt, Steps = context.Value(_steps), Guidance = context.Value(_guidance), Seed = seed, HiDiffusion = new HiDiffusionOptions() };
        StableDiffusionRequest asked = _diffusion.Apply(begun, context);
        HiDiffusionOptions both = asked.HiDiffusion ?? throw new MuralException("Without HiDiffusion there is nothing to compare; leave --hidiffusion=off out.");
        // Text encoders that are read again would count against every picture.
        StableDiffusionOptions options = _memory.Apply(_diffusion.Options(context), context) with { Runtime = _run.Read(context), Loras = loras.Loras, KeepTextEncoders = true };
        await using StableDiffusionPipeline pipeline = await StableDiffusionPipeline.LoadAsync(model.Path, options, context.Cancellation).ConfigureAwait(false);
        PictureSize? size = context.Value(_size);
        int? side = asked.InitialPicture is null ? 2 * pipeline.Model.Side : null;
        StableDiffusionRequest plain = asked with
        {
            HiDiffusion = null,
            Width = size?.Width ?? side,
            Height = size?.Height ?? side,
            // People count them for every family.
            ClipSkip = Math.Max(asked.ClipSkip - pipeline.Model.LayersLeftOut, 0),
            Controls = await Guides.LoadAsync(pipeline, _diffusion.Controls(context), context.Cancellation).ConfigureAwait(false),
            PicturePrompts = await Guides.LoadAsync(pipeline, _diffusion.PicturePrompts(context), model.Path, context.Cancellation).ConfigureAwait(false),
        };
        (string Name, HiDiffusionOptions? Options)[] settings =
            [("plain", null), ("RAU-Net only", both with { WindowAttention = false }), ("windows only", both with { RauNet = false }), ("both", both)];
        StableDiffusionPlan plan = pipeline.Plan(plain with { HiDiffusion = both });
        // What does not fit, or into no mode of memory, should not cost the time of the pictures before it.
        pipeline.Forecast(plan);
        context.Say(string.Create(CultureInfo.InvariantCulture, $"{plan.Model.Family}, {plan.Width}x{plan.Height} pixels, {plan.Steps} steps, seed {plain.Seed}"));
        foreach (string warning in plan.Warnings) context.Warn(warning);

        // What a setting does once, before its first picture, would count against it. Of a single step a share is none.
        StableDiffusionRequest first = plain with { Steps = 1, Strength = plain.InitialPicture is null ? null : 1 };
        foreach ((_, HiDiffusionOptions? chosen) in settings)
            await pipeline.GenerateAsync(first with { HiDiffusion = chosen is null ? null : chosen with { T1 = 1, T2 = 1 } }, cancellationToken: context.Cancellation).ConfigureAwait(false);
        var pictures = new List<Picture>();
        var seconds = new List<double>();
        await context.WithProgressAsync(async report =>
        {
            foreach ((string name, HiDiffusionOptions? chosen) in settings)
            {
                report(new ProgressReport(name, pictures.Count, settings.Length));
                long start = Stopwatch.GetTimestamp();
                pictures.Add((await pipeline.GenerateAsync(plain with { HiDiffusion = chosen }, cancellationToken: context.Cancellation).ConfigureAwait(false))[0].Picture);
                seconds.Add(Stopwatch.GetElapsedTime(start).TotalSeconds);
            }
            return pictures.Count;
        }).ConfigureAwait(false);
        string[] labels = [.. settings.Select((setting, i) => string.Create(
            CultureInfo.InvariantCulture, $"{setting.Name}: {seconds[i]:0.0} s{(i == 0 ? "" : $", {seconds[0] / seconds[i]:0.00}x")}"))];
        var sheet = new SampleGrid { Columns = 2, TextScale = Math.Max(1, plan.Width / PixelsOfWidthPerTextScale), Margin = Math.Max(4, plan.Width / 64) };
        PictureWriter.Write(file, sheet.Tile(pictures, labels));
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
            pictures = settings.Select((setting, i) => new { setting.Name, seconds = Math.Round(seconds[i], 3), speedup = Math.Round(seconds[0] / seconds[i], 3) }),
            plan.Warnings,
        };
    }
}
