namespace Mural.Tests.Pipelines;

/// <summary>What a pipeline of diffusers takes where it is told nothing.</summary>
/// <param name="Guidance">Its <c>guidance_scale</c>.</param>
/// <param name="Strength">Its <c>strength</c>; null for one that changes no picture.</param>
/// <param name="ControlScale">Its <c>controlnet_conditioning_scale</c>.</param>
internal sealed record PipelineDefaults(double Guidance, double? Strength, double ControlScale)
{
    internal static PipelineDefaults Of(string pipeline)
    {
        bool Named(string word) => pipeline.Contains(word, StringComparison.Ordinal);
        bool xl = Named("XL"), controlled = Named("ControlNet"), inpaints = Named("Inpaint");
        double guidance = Named("LatentConsistency") ? 8.5 : xl && (controlled || !inpaints) ? 5 : 7.5;
        if (inpaints) return new PipelineDefaults(guidance, xl ? 0.9999 : 1, xl ? 1 : 0.5);
        if (Named("Img2Img")) return new PipelineDefaults(guidance, xl && !controlled ? 0.3 : 0.8, 0.8);
        return new PipelineDefaults(guidance, null, 1);
    }

    /// <summary>Whether a pipeline changes a picture.</summary>
    internal bool ChangesPicture => Strength is not null;
}
