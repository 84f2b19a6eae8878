using System.CommandLine;
using Mural.Cli.CommandLine;
using Mural.Imaging;
using Mural.Pipelines;
using Mural.Samplers;

namespace Mural.Cli.Painting;

/// <summary>The options of <c>mural generate</c>, and of <c>mural compare</c>, that Stable Diffusion understands and DiM does not.</summary>
internal sealed class DiffusionOptions
{
    private const string Cpu = "cpu", Cuda = "cuda", Noise = "eps", Velocity = "v";

    private readonly Option<string?> _negative = new("--negative") { Description = "What the picture should not show.", HelpName = "TEXT" };
    private readonly Option<double?> _rescale = new("--guidance-rescale")
    {
        Description = "Share of the contrast that guidance adds which is taken away again, 0 to 1 (default: 0).",
        HelpName = "SHARE"
    };

    private readonly Option<double?> _guidanceStart = new("--guidance-start") { Description = "Share of the steps after which guidance begins (default: 0).", HelpName = "SHARE" };
    private readonly Option<double?> _guidanceStop = new("--guidance-stop")
    {
        Description = "Share of the steps after which guidance ends, up to 1 (default: 1).",
        HelpName = "SHARE"
    };

    private readonly Option<string?> _second = new("--prompt-2")
    {
        Description = "What SDXL's second text encoder is told instead of the prompt (default: the prompt).",
        HelpName = "TEXT"
    };

    private readonly Option<string?> _secondNegative = new("--negative-2")
    {
        Description = "What SDXL's second text encoder is told instead of the negative prompt (default: the negative prompt).",
        HelpName = "TEXT"
    };

    private readonly Option<PictureSize?> _original = PictureSize.Option(
        "--original-size", "Size that SDXL is told the training picture had before it was resized (default: the picture's).");
    private readonly Option<CropPoint?> _crop = CropPoint.Option("--crop", "Where SDXL is told that the training picture was cropped, from the left and the top (default: 0,0).");
    private readonly Option<double?> _score = new("--aesthetic-score")
    {
        Description = "How beautiful, up to 10, SDXL's refiner is told that the picture is (default: 6).",
        HelpName = "SCORE"
    };

    private readonly Option<string?> _sampler = new("--sampler") { Description = "Sampler, such as euler-a, dpmpp-2m or unipc (default: the model's).", HelpName = "NAME" };
    private readonly Option<string?> _schedule = new("--schedule")
    {
        Description = "Noise schedule, such as karras, exponential, beta or trailing (default: the sampler's).",
        HelpName = "NAME"
    };

    private readonly Option<double?> _eta = new("--eta") { Description = "Share of noise that ddim and tcd add at each step, 0 to 1 (default: 0).", HelpName = "SHARE" };
    private readonly Option<int?> _clipSkip = new("--clip-skip")
    {
        Description = "Layer of the text encoder that is used, counted from its end as in A1111: 1 is the last; "
            + "with Stable Diffusion 2 and XL both 1 and 2 are the last but one (default: the model's own).",
        HelpName = "N"
    };

    private readonly Option<string> _rng = new("--rng")
    {
        Description = "Whose random numbers the seed stands for: those of PyTorch on a CPU or on an NVIDIA card, whatever the picture is painted on.",
        DefaultValueFactory = _ => Cpu
    };

    private readonly Option<string?> _vae = new("--vae") { Description = "Another autoencoder, TAESD's too: a folder or a file.", HelpName = "PATH" };
    private readonly Option<string?> _linFusion = new("--linfusion")
    {
        Description = "Folder of LinFusion's weights for the model's family: linear attention, whose time and memory grow in proportion to the pixels.",
        HelpName = "FOLDER"
    };

    private readonly HiDiffusionArguments _hiDiffusion;
    private readonly Option<string?> _prediction = new("--prediction")
    {
        Description = "What the model predicts, noise (eps) or velocities (v), where its file does not tell (default: what the file says).",
        HelpName = "eps|v"
    };

    private readonly Option<string?> _refiner = new("--refiner")
    {
        Description = "SDXL's refiner, a folder or a file, which finishes what the base model begins.",
        HelpName = "PATH"
    };

    private readonly Option<double?> _refinerStart = new("--refiner-start")
    {
        Description = "Share of the training steps after which it takes over, as diffusers' denoising_end (default: 0.8).",
        HelpName = "SHARE"
    };

    private readonly Option<int?> _preview = new("--preview") { Description = "Write a small preview beside the picture after every N network calls.", HelpName = "N" };
    private readonly Option<string?> _variant = new("--variant")
    {
        Description = "Which weights to prefer where the model's folder holds several, such as fp16.",
        HelpName = "NAME"
    };

    private readonly Option<string[]> _embedding = new("--embedding")
    {
        Description = "File of a textual inversion, whose name becomes a word of the prompt; may be repeated.",
        HelpName = "FILE"
    };

    private readonly Option<string[]> _lora = new("--lora")
    {
        Description = "A LoRA's file and its weight, such as style.safetensors:0.8; may be repeated. Prompts may name them too: <lora:style:0.8>.",
        HelpName = "FILE[:WEIGHT]"
    };

    private readonly Option<string?> _initial = new("--init-image") { Description = "Picture to change instead of starting from noise.", HelpName = "PICTURE" };
    private readonly Option<double?> _strength = new("--strength")
    {
        Description = "How much --init-image is changed: the share of the steps that are run on it, above 0 and up to 1 (default: 0.8, with a mask 1).",
        HelpName = "SHARE"
    };

    private readonly Option<string?> _mask = new("--mask") { Description = "Mask of the same size as --init-image: white is repainted, black is kept.", HelpName = "PICTURE" };
    private readonly Option<int?> _maskPadding = new("--mask-padding")
    {
        Description = "Paint only the masked part, at full size, with this many pixels around it.",
        HelpName = "PIXELS"
    };

    private readonly Option<string[]> _control = new("--control")
    {
        Description = "A ready map (edges, depth, ...) that the picture follows by a ControlNet: type=canny,image=edges.png,scale=0.8,start=0,end=1,guess=true, "
            + "where type is the ControlNet's folder or file, or part of its name; may be repeated.",
        HelpName = "KEY=VALUE,...",
    };

    private readonly Option<string[]> _ipAdapter = new("--ip-adapter")
    {
        Description = "A picture that the result resembles, by an IP-Adapter: model=ip-adapter.safetensors,image=fox.jpg,scale=0.6,encoder=FOLDER; may be repeated.",
        HelpName = "KEY=VALUE,...",
    };

    private readonly bool _compares;

    /// <param name="compares">
    /// Whether pictures with and without HiDiffusion's parts are compared: the command switches the parts itself, and runs neither a refiner nor previews.
    /// </param>
    internal DiffusionOptions(bool compares = false)
    {
        _compares = compares;
        _hiDiffusion = new HiDiffusionArguments(switches: !compares);
        _rng.TakeOneOf(Cpu, Cuda);
        _clipSkip.TakeAtLeast(1);
        _maskPadding.TakeAtLeast(0);
        _preview.TakeAtLeast(1);
        _prediction.TakeOneOf(Noise, Velocity);
    }

    private Option[] All =>
    [
        _negative, _second, _secondNegative, _rescale, _guidanceStart, _guidanceStop, _original, _crop, _score, _sampler, _schedule, _eta, _clipSkip, _rng, _prediction,
        .. _hiDiffusion.All, _linFusion, _vae, _variant, _embedding, _lora, _initial, _strength, _mask, _maskPadding, _control, _ipAdapter,
        .. _compares ? [] : (Option[])[_refiner, _refinerStart, _preview]
    ];

    internal Option Preview => _preview;

    /// <summary>Those that are about how a picture begins and who finishes it.</summary>
    internal IReadOnlyList<Option> OfFirstStage => [_strength, _refiner, _refinerStart];

    internal void AddTo(Command command)
    {
        foreach (Option option in All) command.Add(option);
    }

    /// <summary>The name of an option that was given, or null where none was.</summary>
    internal string? FirstGiven(CommandContext context) => All.FirstOrDefault(context.Given)?.Name;

    /// <summary>Whether the option of that name was given.</summary>
    internal bool Given(CommandContext context, string name) => All.Any(option => option.Name == name && context.Given(option));

    /// <summary>The request of a picture that is painted again, with what there is in place of samplers and schedules that there are not.</summary>
    internal StableDiffusionRequest Substituted(StableDiffusionRequest request, CommandContext context) =>
        context.Given(_sampler) ? request : Substitutes.For(request, keepSchedule: context.Given(_schedule), context.Warn);

    /// <summary>What beside model and settings a picture's text shall name.</summary>
    /// <exception cref="MuralException">An option cannot be read.</exception>
    internal IReadOnlyList<KeyValuePair<string, string>> Ingredients(CommandContext context) => Painting.Ingredients.Of(
        context.Value(_vae), context.Value(_mask), context.Value(_prediction), context.Value(_embedding) ?? [], Controls(context), PicturePrompts(context));

    /// <summary>The ControlNets that were asked for.</summary>
    /// <exception cref="MuralException">One of them cannot be read.</exception>
    internal IReadOnlyList<ControlArgument> Controls(CommandContext context) => [.. (context.Value(_control) ?? []).Select(ControlArgument.Parse)];

    /// <summary>The pictures that the result resembles.</summary>
    /// <exception cref="MuralException">One of them cannot be read.</exception>
    internal IReadOnlyList<PicturePromptArgument> PicturePrompts(CommandContext context) => [.. (context.Value(_ipAdapter) ?? []).Select(PicturePromptArgument.Parse)];

    /// <summary>The LoRAs of these options and of a prompt.</summary>
    /// <exception cref="MuralException">One of them cannot be read.</exception>
    internal LoraArguments Loras(CommandContext context, string prompt) => LoraArguments.Parse(context.Value(_lora) ?? [], prompt);

    /// <summary>How the pipeline is loaded.</summary>
    internal StableDiffusionOptions Options(CommandContext context) => new()
    {
        Variant = context.Value(_variant),
        Autoencoder = context.Value(_vae),
        LinFusion = context.Value(_linFusion),
        Prediction = context.Value(_prediction) switch { Noise => PredictionType.Epsilon, Velocity => PredictionType.VPrediction, _ => null },
        Refiner = context.Value(_refiner),
        TextualInversions = context.Value(_embedding) ?? [],
        // One request is all there is.
        KeepTextEncoders = false,
    };

    /// <summary>The request with what these options say. Its layers to leave out are counted as for Stable Diffusion 1: see <see cref="StableDiffusionJob"/>.</summary>
    /// <exception cref="MuralException">A picture cannot be read, or options contradict each other.</exception>
    internal StableDiffusionRequest Apply(StableDiffusionRequest request, CommandContext context)
    {
        if (context.Given(_refinerStart) && !context.Given(_refiner)) throw new MuralException($"{_refinerStart.Name} is a setting of the refiner; give {_refiner.Name} too.");
        return request with
        {
            NegativePrompt = context.Value(_negative) ?? request.NegativePrompt,
            GuidanceRescale = context.Value(_rescale) ?? request.GuidanceRescale,
            SecondPrompt = context.Value(_second) ?? request.SecondPrompt,
            SecondNegativePrompt = context.Value(_secondNegative) ?? request.SecondNegativePrompt,
            GuidanceStart = context.Value(_guidanceStart) ?? request.GuidanceStart,
            GuidanceStop = context.Value(_guidanceStop) ?? request.GuidanceStop,
            Sizes = request.Sizes with
            {
                Original = context.Value(_original) is { } original ? (original.Height, original.Width) : request.Sizes.Original,
                Crop = context.Value(_crop) is { } crop ? (crop.Top, crop.Left) : request.Sizes.Crop,
                AestheticScore = context.Value(_score) ?? request.Sizes.AestheticScore,
            },
            Sampler = context.Value(_sampler) ?? request.Sampler,
            Schedule = context.Value(_schedule) ?? (context.Given(_sampler) ? null : request.Schedule),
            Eta = context.Value(_eta) ?? request.Eta,
            ClipSkip = context.Value(_clipSkip) - 1 ?? request.ClipSkip,
            Noise = context.Given(_rng) ? context.Value(_rng) == Cuda ? NoiseOrigin.Cuda : NoiseOrigin.Cpu : request.Noise,
            InitialPicture = Read(context.Value(_initial)),
            Strength = context.Value(_strength) ?? (context.Given(_initial) ? request.Strength : null),
            Mask = Read(context.Value(_mask)),
            MaskPadding = context.Value(_maskPadding) ?? (context.Given(_mask) ? request.MaskPadding : null),
            RefinerStart = context.Value(_refinerStart) ?? request.RefinerStart,
            PreviewEvery = context.Value(_preview) ?? 0,
            HiDiffusion = _hiDiffusion.Read(context, request.HiDiffusion),
        };
    }

    private static Picture? Read(string? path) => path is null ? null : PictureReader.Read(path);
}
