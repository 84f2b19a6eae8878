using Mural.Imaging;
using Mural.Pipelines;
using Mural.UNet;
using TorchSharp;
using static TorchSharp.torch;

namespace Mural.Training;

/// <summary>Pictures of a teacher, each with the student's of the same caption and noise beside it.</summary>
/// <param name="teacher">The whole model.</param>
/// <param name="student">Its UNet with other attentions, not ready for inference.</param>
/// <param name="config">Size, steps and guidance.</param>
internal sealed class DistillationSheet(StableDiffusionParts teacher, UNet2DConditionModel student, LinFusionTrainingConfig config)
{
    internal void Write(string path, IReadOnlyList<string> captions, CancellationToken cancellation)
    {
        using var quiet = no_grad();
        var pictures = new List<Picture>();
        foreach ((int i, string caption) in captions.Index())
        {
            StableDiffusionPlan plan = new StableDiffusionPlanner(teacher).Plan(new StableDiffusionRequest
            {
                Prompt = caption,
                Width = config.Data.Size,
                Height = config.Data.Size,
                Steps = config.Sheet.Steps,
                Guidance = config.Sheet.Guidance,
                Seed = config.Seed + i,
            });
            using TextTimeline texts = teacher.Encode(plan);
            foreach (UNet2DConditionModel network in new[] { teacher.UNet, student }) pictures.Add(Paint(network, plan, texts, cancellation));
        }
        PictureWriter.Write(path, new SampleGrid { Columns = 2 * (int)Math.Ceiling(Math.Sqrt(captions.Count / 2.0)) }.Tile(pictures));
    }

    private Picture Paint(UNet2DConditionModel network, StableDiffusionPlan plan, TextTimeline texts, CancellationToken cancellation)
    {
        using DisposeScope scope = NewDisposeScope();
        using var noise = new PictureNoise(plan.Request.Noise, [plan.Request.Seed], teacher.Runtime.Device);
        using var denoiser = new GuidedDenoiser(network, plan, texts, batched: false);
        var painter = new StableDiffusionPainter(teacher, plan, denoiser);
        return painter.Decode(painter.Paint(1, noise, null, cancellation));
    }
}
