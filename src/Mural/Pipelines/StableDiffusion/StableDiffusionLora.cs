namespace Mural.Pipelines;

/// <summary>
/// A LoRA of a model: one that is merged into it while it is loaded (<see cref="StableDiffusionOptions.Loras"/>), or one that comes and goes
/// (<see cref="StableDiffusionPipeline.SetLorasAsync"/>).
/// </summary>
/// <param name="Path">Its file, in the layout of kohya's trainer, PEFT or diffusers; LoHa, LoKr, convolutions (LoCon) and text encoders count too.</param>
/// <param name="Weight">How much of it, usually 0 to 1; negative weights turn its effect round.</param>
/// <param name="TextWeight">How much of it for the text encoders, or null for <paramref name="Weight"/>.</param>
public sealed record StableDiffusionLora(string Path, double Weight = 1, double? TextWeight = null);
