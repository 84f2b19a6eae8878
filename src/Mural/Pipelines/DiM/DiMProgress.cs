namespace Mural.Pipelines;

/// <summary>What a pipeline is doing.</summary>
public enum DiMStage
{
    /// <summary>Removing noise; steps are network evaluations.</summary>
    Sampling,

    /// <summary>Turning latents into pictures; steps are pictures.</summary>
    Decoding,
}

/// <summary>How far a pipeline is.</summary>
/// <param name="Stage">What is done now. With several batches, the stages alternate.</param>
/// <param name="Done">Steps of this stage that are done, over all batches.</param>
/// <param name="Count">Steps of this stage in all, or null where the solver chooses them as it goes.</param>
public readonly record struct DiMProgress(DiMStage Stage, int Done, int? Count);
