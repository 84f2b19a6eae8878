using System.Globalization;
using Mural.Autoencoders;

namespace Mural.Checkpoints.SingleFile;

/// <summary>Gives the tensors of a folder in diffusers' layout the names that a single file of the original layout has for them.</summary>
internal sealed class OriginalNames
{
    private readonly ModelFamily _family;
    private readonly UNetNames _unet;
    private readonly int _levels;

    /// <param name="family">The family to write.</param>
    /// <param name="components">Names of each component's tensors.</param>
    internal OriginalNames(ModelFamily family, IReadOnlyDictionary<string, IEnumerable<string>> components)
    {
        _family = family;
        _unet = UNetNames.OfDiffusers(components.GetValueOrDefault(SingleFileLayout.UNet, []));
        _levels = components.GetValueOrDefault(SingleFileLayout.Autoencoder, [])
            .Where(name => name.StartsWith("decoder.up_blocks.", StringComparison.Ordinal))
            .Select(name => int.Parse(name.Split('.')[2], CultureInfo.InvariantCulture) + 1)
            .DefaultIfEmpty(0).Max();
    }

    /// <summary>The stored tensor that holds one of a component, and what would make it out of the stored one; null where the original layout has no place for it.</summary>
    internal (string Stored, TensorTransform Transform)? Of(string component, string name) => component switch
    {
        SingleFileLayout.UNet => _unet.ToOriginal(name) is { } stored ? (SingleFileLayout.UNetPrefix + stored, TensorTransform.Same) : null,
        SingleFileLayout.Autoencoder => ("first_stage_model." + AutoencoderKeys.ToOriginal(name, _levels), IsProduct(name) ? TensorTransform.Squeeze : TensorTransform.Same),
        SingleFileLayout.TextEncoder when _family == ModelFamily.StableDiffusion1 => ("cond_stage_model.transformer." + name, TensorTransform.Same),
        SingleFileLayout.TextEncoder when _family == ModelFamily.StableDiffusionXL => ("conditioner.embedders.0.transformer." + name, TensorTransform.Same),
        SingleFileLayout.TextEncoder when _family == ModelFamily.StableDiffusion2 => OpenClip("cond_stage_model.model.", name),
        SingleFileLayout.SecondTextEncoder when _family == ModelFamily.StableDiffusionXL => OpenClip("conditioner.embedders.1.model.", name),
        SingleFileLayout.SecondTextEncoder when _family == ModelFamily.StableDiffusionXLRefiner => OpenClip("conditioner.embedders.0.model.", name),
        _ => null,
    };

    private static (string, TensorTransform)? OpenClip(string prefix, string name) =>
        OpenClipNames.ToOriginal(name) is { } original ? (prefix + original.Name, original.Transform) : null;

    // The attention's products were 1x1 convolutions.
    private static bool IsProduct(string name) =>
        name.Contains(".attentions.", StringComparison.Ordinal) && name.EndsWith(".weight", StringComparison.Ordinal) && !name.Contains("group_norm", StringComparison.Ordinal);
}
