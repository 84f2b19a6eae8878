using Mural.Runtime;
using Mural.Samplers;
using Mural.Text;

namespace Mural.Pipelines;

/// <summary>How a <see cref="StableDiffusionPipeline"/> is loaded and runs.</summary>
public sealed record StableDiffusionOptions
{
    /// <summary>Device, precision, kernels and threads; what is left open is chosen for this machine.</summary>
    public RuntimeOptions Runtime { get; init; } = new();

    /// <summary>Variant of the weights' files that is preferred, such as <c>fp16</c>; null for the plain ones.</summary>
    public string? Variant { get; init; }

    /// <summary>Another autoencoder, of Stable Diffusion's kind or TAESD's, in place of the model's: a folder or a file.</summary>
    public string? Autoencoder { get; init; }

    /// <summary>What the model predicts where its files do not tell or are wrong, as files of Stable Diffusion 2 may be; null for what they say.</summary>
    public PredictionType? Prediction { get; init; }

    /// <summary>SDXL's refiner, a folder or a file, which finishes what the base model begins; null for none.</summary>
    public string? Refiner { get; init; }

    /// <summary>LinFusion's linear attention for the model's family (LinFusion specification 2), the folder of a checkpoint; null for the model's own attention.</summary>
    public string? LinFusion { get; init; }

    /// <summary>
    /// LoRAs to merge into the model for good; one that is named twice counts twice. <see cref="StableDiffusionPipeline.SetLorasAsync"/> takes those that shall come and go.
    /// </summary>
    public IReadOnlyList<StableDiffusionLora> Loras { get; init; } = [];

    /// <summary>Files of textual inversions, whose words prompts can use.</summary>
    public IReadOnlyList<string> TextualInversions { get; init; } = [];

    /// <summary>How prompts are read.</summary>
    public PromptSyntax Prompts { get; init; }

    /// <summary>Pictures painted at once, at least 1; more are painted one batch after another.</summary>
    public int BatchSize { get; init; } = 1;

    /// <summary>
    /// Whether the predictions for prompt and negative prompt come from one network call (faster) or from two (less memory); null for one where its
    /// activations take less than a gigabyte.
    /// </summary>
    public bool? BatchGuidance { get; init; }

    /// <summary>Whether text encoders stay in memory; otherwise they are freed once a request's prompts are encoded, and loaded again for the next request.</summary>
    public bool KeepTextEncoders { get; init; } = true;

    /// <summary>How a run trades time for memory; null for the fastest that fits <see cref="MemoryLimit"/>, or this machine.</summary>
    public MemoryMode? Memory { get; init; }

    /// <summary>The most memory in bytes that a run may hold, the model with it; null for what this machine has. A run fits where its forecast does with 15 % to spare.</summary>
    public long? MemoryLimit { get; init; }

    /// <summary>Bytes that decoding may take at most before it is done in strips, with the same result but for rounding.</summary>
    public long DecodeMemory { get; init; } = 2_500_000_000;
}
