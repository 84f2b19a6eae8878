using System.CommandLine;
using System.Globalization;
using Mural.Cli.CommandLine;
using Mural.Imaging;
using Mural.Pipelines;

namespace Mural.Cli.Painting;

/// <summary>The options of <c>mural generate</c> for pictures beyond the size that a model was trained on.</summary>
internal sealed class LargePictureOptions
{
    private readonly Option<PictureSize?> _upscaleTo = PictureSize.Option(
        "--upscale-to", "Size in pixels to be reached in stages, up to 16384x16384 and beyond; --size is then that of the first stage.");
    private readonly Option<string?> _method = new("--upscale-method")
    {
        Description = "How --upscale-to enlarges: sdedit doubles the picture, adds noise and removes it again; "
            + "highres does so with dilated convolutions, too; superres enlarges --init-image in one stage (default: sdedit).",
    };

    private readonly Option<double?> _strength = new("--upscale-strength")
    {
        Description = "Share of the steps that the first doubling runs; later ones run fewer (default: 0.4, with highres and superres 0.32).",
        HelpName = "SHARE"
    };

    private readonly Option<string?> _dilation = new("--dilation")
    {
        Description = "Three cosine exponents and the blur's deviation for highres and superres (default: 3/1/1/0.8).",
        HelpName = "A/B/C/SIGMA"
    };

    private readonly Option<bool> _deepZoom = new("--deep-zoom") { Description = "Also write a pyramid of tiles beside the picture, for viewers in a browser." };
    private readonly Option<bool> _keepStages = new("--keep-stages") { Description = "Keep the stages' raw pictures, in a folder beside the picture." };

    internal LargePictureOptions() => _method.TakeOneOf([.. Enum.GetValues<UpscaleMethod>().Select(LargePictureParameters.NameOf)]);

    private Option[] All => [_upscaleTo, _method, _strength, _dilation, _deepZoom, _keepStages];

    internal void AddTo(Command command)
    {
        foreach (Option option in All) command.Add(option);
    }

    /// <summary>The name of an option that was given, or null where none was.</summary>
    internal string? FirstGiven(CommandContext context) => All.FirstOrDefault(context.Given)?.Name;

    /// <summary>Whether the option of that name was given.</summary>
    internal bool Given(CommandContext context, string name) => All.Any(option => option.Name == name && context.Given(option));

    internal bool DeepZoom(CommandContext context) => context.Value(_deepZoom);

    internal bool KeepStages(CommandContext context) => context.Value(_keepStages);

    /// <summary>The large picture that is asked for, or that is repeated; null where it is an ordinary one.</summary>
    /// <param name="context">The command line.</param>
    /// <param name="picture">What it shows.</param>
    /// <param name="like">The settings of a picture that is repeated, or null.</param>
    /// <param name="size">The size of the first stage that was asked for, or null.</param>
    /// <param name="diffusion">The other options.</param>
    /// <exception cref="MuralException">The options do not go together.</exception>
    internal LargePictureRequest? Request(CommandContext context, StableDiffusionRequest picture, GenerationParameters? like, PictureSize? size, DiffusionOptions diffusion)
    {
        string? Kept(string key) => like is null ? null : SharedParameters.Find(like, key);
        if ((context.Value(_upscaleTo) ?? PictureSize.Read(Kept(LargePictureParameters.UpscaleTo))) is not { } wanted)
        {
            if (FirstGiven(context) is { } option) throw new MuralException($"{option} is for pictures that are enlarged; say to what size with --upscale-to, or leave it out.");
            return null;
        }
        UpscaleMethod? method = LargePictureParameters.MethodOf(context.Value(_method) ?? Kept(LargePictureParameters.Method));
        Require(context, method ?? UpscaleMethod.SdEdit, size, diffusion);
        // How a picture that is repeated began is nothing to super-resolution.
        bool begins = method != UpscaleMethod.SuperResolution;
        PictureSize? first = begins ? size ?? FirstOf(like) : null;
        return new LargePictureRequest
        {
            Picture = picture with { Width = first?.Width, Height = first?.Height, Strength = begins ? picture.Strength : null },
            Width = wanted.Width,
            Height = wanted.Height,
            Method = method,
            Strength = context.Value(_strength)
                ?? (double.TryParse(Kept(LargePictureParameters.Strength), NumberStyles.Float, CultureInfo.InvariantCulture, out double kept) ? kept : null),
            Dilation = Dilation(context.Value(_dilation) ?? Kept(LargePictureParameters.Dilation)),
        };
    }

    // Of a picture that was enlarged, the size of its first stage; of another, its own.
    private static PictureSize? FirstOf(GenerationParameters? like)
    {
        if (like is not null && SharedParameters.Find(like, LargePictureParameters.UpscaleTo) is not null)
            return PictureSize.Read(SharedParameters.Find(like, LargePictureParameters.First));
        return like is { Width: { } width, Height: { } height } ? new PictureSize(width, height) : null;
    }

    // Options that would change nothing.
    private void Require(CommandContext context, UpscaleMethod method, PictureSize? size, DiffusionOptions diffusion)
    {
        if (context.Given(diffusion.Preview)) throw new MuralException($"{diffusion.Preview.Name} is for pictures that are painted at once; leave it out, or --upscale-to.");
        if (context.Given(_dilation) && method == UpscaleMethod.SdEdit)
            throw new MuralException($"{_dilation.Name} is for the methods highres and superres; choose one with {_method.Name}, or leave it out.");
        if (method != UpscaleMethod.SuperResolution) return;
        string? first = size is not null ? "--size" : diffusion.OfFirstStage.FirstOrDefault(context.Given)?.Name;
        if (first is not null)
            throw new MuralException($"{first} is for a first stage that is painted, and superres enlarges a given picture; leave it out, or choose another method.");
    }

    private static DilationSettings Dilation(string? text)
    {
        if (text is null) return new DilationSettings();
        double[] numbers = [.. text.Split('/').Select(part => double.TryParse(part, NumberStyles.Float, CultureInfo.InvariantCulture, out double number) ? number : double.NaN)];
        if (numbers.Length != 4 || numbers.Any(double.IsNaN)) throw new MuralException($"--dilation takes four numbers such as 3/1/1/0.8, not '{text}'.");
        return new DilationSettings { SkipExponent = numbers[0], DilatedExponent = numbers[1], BlurExponent = numbers[2], BlurSigma = numbers[3] };
    }
}
