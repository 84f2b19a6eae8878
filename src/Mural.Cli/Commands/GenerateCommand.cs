using System.CommandLine;
using Mural.Cli.CommandLine;
using Mural.Cli.Painting;
using Mural.DiM;
using Mural.Imaging;
using Mural.Pipelines;
using Mural.Runtime;

namespace Mural.Cli.Commands;

/// <summary><c>mural generate</c>: paints pictures from words; and <c>mural plan</c>, which tells what that would need.</summary>
internal sealed class GenerateCommand : MuralCommand
{
    private readonly Argument<string?> _prompt = new("prompt")
    {
        Description = "What to paint: a text for Stable Diffusion, words for a DiM, or the number of a class; nothing for anything.",
        HelpName = "PROMPT",
        Arity = ArgumentArity.ZeroOrOne
    };

    private readonly Option<string?> _model = new("--model", "-m")
    {
        Description = $"A model's folder, file or name; see mural models (default: {ModelCatalog.Default}).",
        HelpName = "PATH|NAME"
    };

    private readonly Option<PictureSize?> _size = PictureSize.Option("--size", "Size in pixels before --upscale or --upscale-to (default: what the model was trained on).");
    private readonly Option<int?> _steps = new("--steps") { Description = "Sampling steps (default: the model's).", HelpName = "N" };
    private readonly Option<double?> _guidance = new("--guidance")
    {
        Description = "How strongly to follow the prompt; 1 is without guidance (default: the model's).",
        HelpName = "SCALE"
    };

    private readonly Option<long?> _seed = new("--seed") { Description = "Seed of the first picture; the next ones count on (default: a random one).", HelpName = "N" };
    private readonly Option<int?> _count = new("--count", "-n") { Description = "How many pictures (default: 1).", HelpName = "N" };
    private readonly Option<int?> _upscale = new("--upscale")
    {
        Description = "For DiM models: paint the picture N times as wide and as high, without further training; for Stable Diffusion there is --upscale-to.",
        HelpName = "N"
    };

    private readonly Option<string?> _like = new("--like") { Description = "Repeat a picture from what its file says; other options change that.", HelpName = "PICTURE" };
    private readonly Option<string?> _output = new("--output", "-o")
    {
        Description = "File for the picture (.png, .jpg, .webp, with --upscale-to .tif too); "
            + "{n} and {seed} stand for its number and seed (default: made of the prompt and the seed).",
        HelpName = "FILE",
    };

    private readonly DiffusionOptions _diffusion = new();
    private readonly LargePictureOptions _large = new();
    private readonly MemoryOptions _memory = new();
    private readonly RunOptions _run = new();

    private readonly bool _onlyPlans;

    /// <param name="onlyPlans">Whether nothing is painted.</param>
    internal GenerateCommand(bool onlyPlans = false) : base(
        onlyPlans ? "plan" : "generate",
        onlyPlans ? "Tell what painting would need: memory and time of each stage, for the options of mural generate." : "Paint pictures from words.")
    {
        _onlyPlans = onlyPlans;
        Add(_prompt);
        foreach (Option option in (Option[])[_model, _size, _steps, _guidance, _seed, _count, _upscale, _like, _output]) Add(option);
        _steps.TakeAtLeast(1);
        _seed.TakeAtLeast(0);
        _count.TakeAtLeast(1);
        _upscale.TakeAtLeast(1);
        _diffusion.AddTo(this);
        _large.AddTo(this);
        _memory.AddTo(this);
        _run.AddTo(this);
    }

    internal override IReadOnlyList<string> Examples => _onlyPlans ?
    [
        "plan \"a city seen from a hill\" --model stable-diffusion-v1-5 --upscale-to 4096x4096",
        "plan fox --model stable-diffusion-v1-5 --size 2048x2048 --memory 6GB --json",
    ] :
    [
        "generate \"red heart\" -o heart.png",
        "generate \"woman astronaut, dark skin tone\" --count 4 -o astronaut-{n}.png",
        "generate \"cat face\" --upscale 2 --seed 7 -o cat.png",
        "generate --like heart.png -o again.png",
        "generate \"a red fox in the snow\" --model stable-diffusion-v1-5 --negative blurry --sampler dpmpp-2m --schedule karras --steps 25",
        "generate \"a city seen from a hill\" --model stable-diffusion-v1-5 --linfusion LinFusion-1-5 --upscale-to 4096x4096 --deep-zoom -o city.png",
        "generate \"a fox, watercolour\" --model stable-diffusion-v1-5 --init-image fox.jpg --strength 0.6",
    ];

    internal override async Task<object?> RunAsync(CommandContext context)
    {
        string? like = context.Value(_like);
        // Pictures of Mural's own models carry a recipe, those of Stable Diffusion the text that many programs share.
        PictureRecipe? recipe = like is not null && PictureRecipe.IsIn(like) ? PictureRecipe.Of(like) : null;
        GenerationParameters? shared = like is not null && recipe is null && PictureReader.Identify(like).Metadata.Parameters is not null ? SharedParameters.Of(like) : null;
        ModelFolder model = ModelCatalog.Find(context.Value(_model) ?? recipe?.Model ?? shared?.Model);
        if (!model.IsDiM()) return await DiffusionJob(context, model, like is null ? null : SharedParameters.Of(like)).RunAsync(context, _onlyPlans).ConfigureAwait(false);
        if (_onlyPlans) throw new MuralException($"mural plan is for models of Stable Diffusion, but {model.Name} is a DiM; name another model.");
        if ((_diffusion.FirstGiven(context) ?? _large.FirstGiven(context) ?? _memory.FirstGiven(context)) is { } option)
            throw new MuralException($"{option} is for models of Stable Diffusion, but {model.Name} is a DiM; leave it out, or name another model.");
        return await WordsJob(context, model, like is null ? null : PictureRecipe.Of(like)).RunAsync(context).ConfigureAwait(false);
    }

    private StableDiffusionJob DiffusionJob(CommandContext context, ModelFolder model, GenerationParameters? like)
    {
        if (context.Given(_upscale)) throw new MuralException($"--upscale is for DiM models, but {model.Name} is none; use --upscale-to, or name another model.");
        StableDiffusionRequest repeated = like is null
            ? new StableDiffusionRequest { Seed = Random.Shared.Next() }
            : _diffusion.Substituted(SharedParameters.ToRequest(like), context);
        PictureSize? size = context.Value(_size);
        LoraArguments loras = _diffusion.Loras(context, context.Value(_prompt) ?? repeated.Prompt);
        StableDiffusionRequest request = _diffusion.Apply(repeated, context) with
        {
            Prompt = loras.Prompt,
            Width = size?.Width ?? repeated.Width,
            Height = size?.Height ?? repeated.Height,
            Steps = context.Value(_steps) ?? repeated.Steps,
            Guidance = context.Value(_guidance) ?? repeated.Guidance,
            Seed = context.Value(_seed) ?? repeated.Seed,
            Count = context.Value(_count) ?? 1,
        };
        StableDiffusionOptions options = _memory.Apply(_diffusion.Options(context), context);
        if (like is not null)
            foreach (string missing in Ingredients.Missing(like, name => _diffusion.Given(context, name) || _large.Given(context, name))) context.Warn(missing);
        RuntimeOptions runtime = _run.Read(context);
        if (like is not null && !context.Given(_run.Precision)) runtime = runtime with { Precision = SharedParameters.PrecisionOf(like) };
        LargePictureRequest? large = _large.Request(context, request, like, size, _diffusion);
        // Whoever paints the same picture again after a run that was ended has not seen its seed.
        if (large is not null && like is null && !context.Given(_seed) && context.Value(_output) is { } output
            && StageFolder.SeedOf(StableDiffusionJob.StagesOf(StableDiffusionJob.FilesOf(output, request, large: true)[0])) is { } begun)
            (request, large) = (request with { Seed = begun }, large with { Picture = large.Picture with { Seed = begun } });
        return new StableDiffusionJob(
            model.Path, loras.Text, request, options with { Runtime = runtime, Loras = loras.Loras },
            _diffusion.Controls(context), _diffusion.PicturePrompts(context), context.Value(_output))
        {
            Ingredients = _diffusion.Ingredients(context),
            Large = large,
            DeepZoom = _large.DeepZoom(context),
            KeepStages = _large.KeepStages(context),
        };
    }

    private DiMJob WordsJob(CommandContext context, ModelFolder model, PictureRecipe? like)
    {
        RuntimeOptions runtime = _run.Read(context);
        if (like is not null)
        {
            runtime = runtime with
            {
                Precision = context.Given(_run.Precision) ? runtime.Precision : PrecisionNames.Parse(like.Precision),
                Kernels = context.Given(_run.Kernels) || like.Kernels != RunOptions.LibtorchKernels ? runtime.Kernels : KernelSet.Libtorch,
                // As many as then give the same sums, but a machine with fewer processors would choke on them.
                Threads = runtime.Threads ?? (like.Threads is { } threads ? Math.Min(threads, Environment.ProcessorCount) : null),
            };
        }

        PictureSize? size = context.Value(_size);
        var request = new DiMRequest
        {
            Prompt = context.Value(_prompt) ?? like?.Prompt ?? "",
            Width = size?.Width ?? like?.Width,
            Height = size?.Height ?? like?.Height,
            Upscale = context.Value(_upscale) ?? like?.Upscale ?? 1,
            UpsampleGuidance = like?.UpscaleShare is { } share ? new UpsampleGuidanceOptions { Share = share } : null,
            Steps = context.Value(_steps) ?? like?.Steps,
            Guidance = context.Value(_guidance) ?? like?.Guidance,
            Seed = (ulong?)context.Value(_seed) ?? like?.Seed ?? (ulong)Random.Shared.Next(),
            Count = context.Value(_count) ?? 1,
        };
        return new DiMJob(model, request, runtime, context.Value(_output), like);
    }
}
