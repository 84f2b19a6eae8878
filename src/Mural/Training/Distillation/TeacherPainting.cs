using Mural.Pipelines;
using Mural.UNet;
using TorchSharp;
using static TorchSharp.torch;

namespace Mural.Training;

/// <summary>How pictures are made during a distillation: squares, one at a time.</summary>
/// <param name="Teacher">The whole model.</param>
/// <param name="Size">Side in pixels.</param>
/// <param name="Steps">Sampling steps.</param>
/// <param name="Guidance">Guidance scale; null for the model's.</param>
internal sealed record TeacherPainting(StableDiffusionParts Teacher, int Size, int Steps, double? Guidance)
{
    internal StableDiffusionPlan Plan(string caption, long seed) => new StableDiffusionPlanner(Teacher).Plan(new StableDiffusionRequest
    {
        Prompt = caption,
        Width = Size,
        Height = Size,
        Steps = Steps,
        Guidance = Guidance,
        Seed = seed,
    });

    /// <summary>Paints with one of the networks, and gives what is made of the finished latents, <c>[1, C, h, w]</c>.</summary>
    internal T Paint<T>(UNet2DConditionModel network, StableDiffusionPlan plan, TextTimeline texts, Func<StableDiffusionPainter, Tensor, T> finish, CancellationToken cancellation)
    {
        using DisposeScope scope = NewDisposeScope();
        using var noise = new PictureNoise(plan.Request.Noise, [plan.Request.Seed], Teacher.Runtime.Device);
        using var denoiser = new GuidedDenoiser(network, plan, texts, batched: false);
        var painter = new StableDiffusionPainter(Teacher, plan, denoiser);
        return finish(painter, painter.Paint(1, noise, null, cancellation));
    }
}
