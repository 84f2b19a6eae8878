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
public readonly record struct StableDiffusionProgress(StableDiffusionStage Stage, int Done, int Count);
