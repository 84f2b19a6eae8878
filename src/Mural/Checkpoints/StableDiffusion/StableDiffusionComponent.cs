namespace Mural.Checkpoints.StableDiffusion;

/// <summary>One network of a Stable Diffusion on disk.</summary>
/// <param name="Name">Its folder in diffusers' layout: <c>unet</c>, <c>vae</c>, <c>text_encoder</c> or <c>text_encoder_2</c>.</param>
/// <param name="Weights">Its tensors under today's names, whatever names the files have.</param>
/// <param name="Config">The text of its <c>config.json</c>.</param>
internal sealed record StableDiffusionComponent(string Name, ITensorSource Weights, string Config);
