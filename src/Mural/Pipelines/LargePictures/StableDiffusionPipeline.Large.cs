using System.Security.Cryptography;
using System.Text.Json.Nodes;
using Mural.Imaging;
using Mural.Layers.Strips;

namespace Mural.Pipelines;

// Pictures beyond the size that the model was trained on.
public sealed partial class StableDiffusionPipeline
{
    /// <summary>What <see cref="GenerateLargeAsync"/> would do, without doing it.</summary>
    /// <exception cref="MuralException">The request cannot be fulfilled.</exception>
    public LargePicturePlan Plan(LargePictureRequest request) => new LargePicturePlanner(_planner, Model).Plan(request);

    /// <summary>Paints a large picture in stages, which are kept: a run that was ended goes on behind the last one that it finished, and the result is the same.</summary>
    /// <param name="request">What.</param>
    /// <param name="folder">A folder for the stages, which may hold some of an earlier run of the same request.</param>
    /// <param name="progress">Told once a stage's prompts are read, after every step and every finished stage.</param>
    /// <param name="cancellationToken">Stops within one network call.</param>
    /// <returns>The picture, to be disposed of.</returns>
    /// <exception cref="MuralException">The request cannot be fulfilled, or the folder holds stages of another.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    /// <exception cref="ObjectDisposedException">The pipeline was disposed of.</exception>
    public async Task<LargePicture> GenerateLargeAsync(
        LargePictureRequest request, string folder, IProgress<LargePictureProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        LargePicturePlan plan = Plan(request);
        StripOptions? strips = StripsOf(Forecast(plan), folder, cancellationToken);
        return await InTurn(
            () =>
            {
                var stages = new StageFolder(folder, Job(plan), plan);
                new LargePicturePainter(_parts, _refiner, plan, stages, BatchesGuidance, strips).Paint(progress is null ? null : progress.Report, cancellationToken);
                return new LargePicture(stages, plan);
            },
            cancellationToken).ConfigureAwait(false);
    }

    // Whatever decides about the picture: another job must not go on with its stages.
    private string Job(LargePicturePlan plan)
    {
        StableDiffusionRequest picture = plan.Request.Picture;
        var job = new JsonObject
        {
            [StageFolder.Seed] = picture.Seed,
            ["parameters"] = LargePictureParameters.Of(plan).Format(),
            ["precision"] = Runtime.Precision.ToString(),
            ["secondPrompt"] = picture.SecondPrompt,
            ["secondNegativePrompt"] = picture.SecondNegativePrompt,
            ["guidanceRange"] = $"{picture.GuidanceStart} {picture.GuidanceStop}",
            ["sizes"] = $"{picture.Sizes} {picture.NegativeSizes}",
            ["loras"] = new JsonArray([.. _options.Loras.Concat(_parts.Loras).Select(lora => (JsonNode)$"{lora.Path}:{lora.Weight}:{lora.TextWeight}")]),
            ["initialPicture"] = Hash(picture.InitialPicture),
            ["controls"] = new JsonArray([.. picture.Controls.Select(control => (JsonNode)$"{Hash(control.Picture)} {control.Scale} {control.Start} {control.End} {control.GuessMode}")]),
            ["picturePrompts"] = new JsonArray([.. picture.PicturePrompts.Select(prompt => (JsonNode)$"{Hash(prompt.Picture)} {prompt.Scale}")]),
        };
        return job.ToJsonString();
    }

    private static string? Hash(Picture? picture) => picture is null ? null : Convert.ToHexStringLower(SHA256.HashData(picture.Data));
}
