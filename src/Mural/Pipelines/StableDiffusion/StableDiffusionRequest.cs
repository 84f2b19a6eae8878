using Mural.HiDiffusion;
using Mural.Imaging;
using Mural.Samplers;

namespace Mural.Pipelines;

/// <summary>What is to be painted. Whatever is null is taken from the model.</summary>
public sealed record StableDiffusionRequest
{
    /// <summary>
    /// What the picture shows, of any length, with A1111's weights <c>(word:1.3)</c>, <c>BREAK</c>, <c>[from:to:0.5]</c> and <c>AND</c> unless the pipeline
    /// was told to read prompts plainly.
    /// </summary>
    public string Prompt { get; init; } = "";

    /// <summary>What SDXL's second text encoder is told; null for <see cref="Prompt"/>.</summary>
    public string? SecondPrompt { get; init; }

    /// <summary>
    /// What the picture is led away from. Null is not the same as an empty text for SDXL: its base model was trained with zeros in place of no text, which null
    /// stands for.
    /// </summary>
    public string? NegativePrompt { get; init; }

    /// <summary>What SDXL's second text encoder is told of <see cref="NegativePrompt"/>; null for the same.</summary>
    public string? SecondNegativePrompt { get; init; }

    /// <summary>Width in pixels, a multiple of 8; null for the model's, or that of <see cref="InitialPicture"/> rounded down.</summary>
    public int? Width { get; init; }

    /// <summary>Height in pixels, a multiple of 8; null for the model's, or that of <see cref="InitialPicture"/> rounded down.</summary>
    public int? Height { get; init; }

    /// <summary>Sampling steps, from 1 to the number of training steps.</summary>
    public int? Steps { get; init; }

    /// <summary>How strongly the prompt is followed; at 1 and below, the negative prompt is not used and a step costs half.</summary>
    public double? Guidance { get; init; }

    /// <summary>How much of the contrast that guidance adds is taken away again, from 0 to 1; 0.7 suits models with zero terminal signal-to-noise ratio.</summary>
    public double GuidanceRescale { get; init; }

    /// <summary>Share of the run after which guidance begins, from 0.</summary>
    public double GuidanceStart { get; init; }

    /// <summary>Share of the run after which guidance ends, up to 1.</summary>
    public double GuidanceStop { get; init; } = 1;

    /// <summary>Seed of the first picture; picture i has this seed plus i, and is the same whether painted alone or with others.</summary>
    public long Seed { get; init; }

    /// <summary>Which random numbers a seed stands for.</summary>
    public NoiseOrigin Noise { get; init; }

    /// <summary>How many pictures, at least 1.</summary>
    public int Count { get; init; } = 1;

    /// <summary>The sampler by name, such as <c>dpmpp-2m</c> or <c>Euler a</c>; null for the checkpoint's.</summary>
    public string? Sampler { get; init; }

    /// <summary>The noise schedule by name, such as <c>karras</c>; null for the sampler's own.</summary>
    public string? Schedule { get; init; }

    /// <summary>Share of noise that DDIM and TCD add at each step, from 0 to 1.</summary>
    public double Eta { get; init; }

    /// <summary>Settings of sampling in place of the checkpoint's, before <see cref="Sampler"/> and <see cref="Schedule"/> are applied.</summary>
    public SamplerOptions? Sampling { get; init; }

    /// <summary>Layers of the text encoders to leave out beyond those that the model leaves out itself; A1111's number minus 1, with Stable Diffusion 2 and XL minus 2.</summary>
    public int ClipSkip { get; init; }

    /// <summary>The same for the negative prompt; null for <see cref="ClipSkip"/>. diffusers leaves out none.</summary>
    public int? NegativeClipSkip { get; init; }

    /// <summary>What SDXL is told of the picture's size and frame.</summary>
    public SizeConditioning Sizes { get; init; } = new();

    /// <summary>The same for the negative prompt; null for <see cref="Sizes"/>.</summary>
    public SizeConditioning? NegativeSizes { get; init; }

    /// <summary>
    /// Share of the training steps, counted from the most noise, after which SDXL's refiner takes over where the pipeline has one, between 0 and 1. The same share of the
    /// sampling steps where these are spread evenly over the training's.
    /// </summary>
    public double RefinerStart { get; init; } = 0.8;

    /// <summary>A preview of the first picture of a batch is made after every so many network calls; 0 for none.</summary>
    public int PreviewEvery { get; init; }

    /// <summary>A picture to change instead of starting from noise; it is resized to <see cref="Width"/> and <see cref="Height"/>.</summary>
    public Picture? InitialPicture { get; init; }

    /// <summary>What happens where that picture has other proportions.</summary>
    public PictureFit Fit { get; init; }

    /// <summary>Share of the steps that is run on <see cref="InitialPicture"/>, above 0 and up to 1, where nearly nothing of it is left; null for 0.8, with a mask 1.</summary>
    public double? Strength { get; init; }

    /// <summary>Where <see cref="InitialPicture"/> is repainted: white; black is kept. Of that picture's size.</summary>
    public Picture? Mask { get; init; }

    /// <summary>
    /// Where given, only the part around the mask is painted, with so many pixels of its surroundings, at the full size asked for, and then put back into the picture.
    /// </summary>
    public int? MaskPadding { get; init; }

    /// <summary>Pictures that ControlNets make the result follow.</summary>
    public IReadOnlyList<ControlInput> Controls { get; init; } = [];

    /// <summary>Pictures that the result resembles.</summary>
    public IReadOnlyList<PicturePrompt> PicturePrompts { get; init; } = [];

    /// <summary>
    /// HiDiffusion, which paints beyond the size that the model was trained on, faster and with fewer repeated objects; null for none. SDXL's refiner runs without.
    /// </summary>
    public HiDiffusionOptions? HiDiffusion { get; init; }

    /// <summary>Called after each network call with the state and the estimate, on the painting thread.</summary>
    public Action<SamplerStep>? OnStep { get; init; }

    /// <summary>Called with each picture once it is finished, in the order of their seeds, on the painting thread: a run that is ended later has not lost it.</summary>
    public Action<StableDiffusionPicture>? OnPicture { get; init; }
}
