using Mural.Autoencoders;

namespace Mural.Checkpoints.SingleFile;

/// <summary>A component's tensor and where a single file keeps it.</summary>
/// <param name="Component">The component's folder in diffusers' layout.</param>
/// <param name="Name">Its name there.</param>
/// <param name="Transform">What makes it out of the stored tensor.</param>
internal readonly record struct ComponentTensor(string Component, string Name, TensorTransform Transform);

/// <summary>
/// Which component each tensor of a single-file checkpoint in the original (CompVis, Stability, SGM) layout belongs to, under which of today's names
/// (spec stable-diffusion.md 8.1 to 8.4).
/// </summary>
internal sealed class SingleFileLayout
{
    internal const string UNet = "unet", Autoencoder = "vae", TextEncoder = "text_encoder", SecondTextEncoder = "text_encoder_2";

    internal const string UNetPrefix = "model.diffusion_model.";

    // OpenCLIP's ViT-H has one block more than Stable Diffusion 2 was trained on.
    private const int UnusedBlock = 23;

    /// <summary>What the UNet's names may begin with; where it is alone in a file, also with nothing.</summary>
    internal static readonly string[] UNetPrefixes = [UNetPrefix, "diffusion_model."];

    // Some files hold a whole CLIP where the text encoder belongs.
    private static readonly string[] OtherParts = ["vision_model.", "visual_projection."];

    private readonly UNetNames _unet;
    private readonly string _unetPrefix;
    private readonly Func<string, string?> _autoencoder;
    private readonly (string Prefix, string Component, bool OpenClip)[] _encoders;
    private readonly ModelFamily _family;

    internal SingleFileLayout(ITensorSource source, ModelFamily family)
    {
        _family = family;
        IEnumerable<string> names = source.Tensors.Keys;
        _unetPrefix = UNetPrefixes.FirstOrDefault(prefix => names.Any(name => name.StartsWith(prefix, StringComparison.Ordinal))) ?? "";
        _unet = UNetNames.OfOriginal(names.Where(name => name.StartsWith(_unetPrefix, StringComparison.Ordinal)).Select(name => name[_unetPrefix.Length..]));
        _autoencoder = AutoencoderKeys.Renaming(names, Levels(names));
        _encoders = family switch
        {
            // The later layout has the encoders where SDXL has them.
            ModelFamily.StableDiffusion1 => [("cond_stage_model.transformer.", TextEncoder, false), ("conditioner.embedders.0.transformer.", TextEncoder, false)],
            ModelFamily.StableDiffusion2 =>
            [
                ("cond_stage_model.model.", TextEncoder, true), ("cond_stage_model.transformer.", TextEncoder, false),
                ("conditioner.embedders.0.model.", TextEncoder, true), ("conditioner.embedders.0.transformer.", TextEncoder, false),
            ],
            ModelFamily.StableDiffusionXL =>
            [
                ("conditioner.embedders.0.transformer.", TextEncoder, false),
                ("conditioner.embedders.1.model.", SecondTextEncoder, true),
                ("conditioner.embedders.1.transformer.", SecondTextEncoder, false),
            ],
            _ => [("conditioner.embedders.0.model.", SecondTextEncoder, true), ("conditioner.embedders.0.transformer.", SecondTextEncoder, false)],
        };
    }

    /// <summary>What a stored tensor gives: three tensors for a joint projection, none for what a loader skips.</summary>
    internal IReadOnlyList<ComponentTensor> Of(TensorEntry stored)
    {
        string name = stored.Name;
        foreach ((string prefix, string component, bool openClip) in _encoders)
            if (name.StartsWith(prefix, StringComparison.Ordinal)) return OfText(name[prefix.Length..], component, openClip);
        if (name.StartsWith("first_stage_model.", StringComparison.Ordinal) || name.StartsWith("vae.", StringComparison.Ordinal))
            return _autoencoder(name) is { } own ? [new ComponentTensor(Autoencoder, own, Squeezed(own, stored.Shape))] : [];
        if (!name.StartsWith(_unetPrefix, StringComparison.Ordinal)) return [];
        return _unet.ToDiffusers(name[_unetPrefix.Length..]) is { } unet ? [new ComponentTensor(UNet, unet, TensorTransform.Same)] : [];
    }

    private IReadOnlyList<ComponentTensor> OfText(string name, string component, bool openClip)
    {
        if (openClip)
        {
            bool unused = _family == ModelFamily.StableDiffusion2 && (OpenClipNames.BlockOf(name) == UnusedBlock || name.StartsWith("text_projection", StringComparison.Ordinal));
            return unused ? [] : [.. OpenClipNames.ToDiffusers(name).Select(part => new ComponentTensor(component, part.Name, part.Transform))];
        }
        if (name.EndsWith("position_ids", StringComparison.Ordinal) || name == "logit_scale" || OtherParts.Any(part => name.StartsWith(part, StringComparison.Ordinal))) return [];
        string whole = name.StartsWith("text_model.", StringComparison.Ordinal) || name.StartsWith("text_projection.", StringComparison.Ordinal) ? name : "text_model." + name;
        return [new ComponentTensor(component, whole, TensorTransform.Same)];
    }

    /// <summary>What an autoencoder's tensor needs: its attention's products were 1x1 convolutions in older files.</summary>
    internal static TensorTransform Squeezed(string name, long[] shape) =>
        name.Contains(".attentions.", StringComparison.Ordinal) && shape is [_, _, 1, 1] ? TensorTransform.Squeeze : TensorTransform.Same;

    // The autoencoder's resolutions, which single files count from the picture's side.
    private static int Levels(IEnumerable<string> names)
    {
        const string Mark = "decoder.up.";
        int levels = 0;
        foreach (string name in names)
        {
            int at = name.IndexOf(Mark, StringComparison.Ordinal);
            if (at < 0) continue;
            string number = name[(at + Mark.Length)..].Split('.')[0];
            if (int.TryParse(number, out int level)) levels = Math.Max(levels, level + 1);
        }
        return levels;
    }
}
