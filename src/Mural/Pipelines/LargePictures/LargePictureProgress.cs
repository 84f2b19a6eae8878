namespace Mural.Pipelines;

/// <summary>How far a large picture is.</summary>
/// <param name="Stage">The stage that is painted now, from 0.</param>
/// <param name="Stages">How many there are.</param>
/// <param name="Step">How far that stage is.</param>
public readonly record struct LargePictureProgress(int Stage, int Stages, StableDiffusionProgress Step);
