using Mural.Imaging;

namespace Mural.Pipelines;

/// <summary>A painted picture and what it was painted from.</summary>
/// <param name="Picture">The picture, RGB.</param>
/// <param name="Seed">The seed that paints it again.</param>
/// <param name="Plan">Size and settings, the same for all pictures of a request.</param>
public sealed record StableDiffusionPicture(Picture Picture, long Seed, StableDiffusionPlan Plan)
{
    /// <summary>How it was made, in the words of stable-diffusion-webui: what <see cref="PictureMetadata.Of"/> writes into its file.</summary>
    public GenerationParameters Parameters => StableDiffusionParameters.Of(Plan, Seed);
}
