using Mural.Imaging;
using Mural.Pipelines;
using Mural.UNet;
using static TorchSharp.torch;

namespace Mural.Training;

/// <summary>Pictures of a teacher, each with the student's of the same caption and noise beside it.</summary>
/// <param name="painting">The teacher, size, steps and guidance.</param>
/// <param name="student">Its UNet with other attentions, not ready for inference.</param>
internal sealed class DistillationSheet(TeacherPainting painting, UNet2DConditionModel student)
{
    /// <param name="path">The file.</param>
    /// <param name="captions">What is painted.</param>
    /// <param name="seed">Of the first caption's noise; the others' follow.</param>
    /// <param name="cancellation">Ends the painting.</param>
    internal void Write(string path, IReadOnlyList<string> captions, long seed, CancellationToken cancellation)
    {
        using var quiet = no_grad();
        var pictures = new List<Picture>();
        foreach ((int i, string caption) in captions.Index())
        {
            StableDiffusionPlan plan = painting.Plan(caption, seed + i);
            using TextTimeline texts = painting.Teacher.Encode(plan);
            foreach (UNet2DConditionModel network in new[] { painting.Teacher.UNet, student })
                pictures.Add(painting.Paint(network, plan, texts, (painter, latents) => painter.Decode(latents), cancellation));
        }
        PictureWriter.Write(path, new SampleGrid { Columns = 2 * (int)Math.Ceiling(Math.Sqrt(captions.Count / 2.0)) }.Tile(pictures));
    }
}
