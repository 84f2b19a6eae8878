using Mural.Imaging;

namespace Mural.Pipelines;

/// <summary>What a pipeline is doing.</summary>
public enum StableDiffusionStage
{
    /// <summary>Reading the prompts; one step.</summary>
    Encoding,

    /// <summary>Removing noise; steps are network calls, with guidance counted once.</summary>
    Sampling,

    /// <summary>Turning latents into pictures; steps are pictures.</summary>
    Decoding,
}

/// <summary>How far a pipeline is.</summary>
/// <param name="Stage">What is done now. With several batches, sampling and decoding alternate.</param>
/// <param name="Done">Steps of this stage that are done, over all batches.</param>
/// <param name="Count">Steps of this stage in all.</param>
public readonly record struct StableDiffusionProgress(StableDiffusionStage Stage, int Done, int Count)
{
    /// <summary>A small picture of what is seen so far, at most 256 pixels wide or high, where the request asks for previews and one is due; else null.</summary>
    public Picture? Preview { get; init; }
}
