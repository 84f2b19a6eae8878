using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using Mural.Imaging;

namespace Mural.Pipelines;

/// <summary>Whatever decides about a large picture, as a text to compare: another job must not go on with its stages.</summary>
internal static class LargePictureJob
{
    // Noise levels may be infinite.
    private static readonly JsonSerializerOptions Written = new() { NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals };

    internal static string Of(LargePicturePlan plan, StableDiffusionParts parts, StableDiffusionParts? refiner, StableDiffusionOptions options)
    {
        StableDiffusionRequest picture = plan.Request.Picture;
        StableDiffusionPlan first = plan.Stages[0].Plan;
        var job = new JsonObject
        {
            [StageFolder.Seed] = picture.Seed,
            ["parameters"] = LargePictureParameters.Of(plan).Format(),
            ["precision"] = parts.Runtime.Precision.ToString(),
            // Threads and the mode of memory may change: whoever ran out of memory goes on with less of it, and nothing but rounding differs.
            ["device"] = parts.Runtime.Device.type.ToString(),
            ["kernels"] = parts.Runtime.Kernels.ToString(),
            ["files"] = Lines(parts.Files.Concat(OpenLoras.Marks(parts.Loras))),
            ["sampling"] = JsonSerializer.SerializeToNode(first.Sampler.Options, Written),
            ["prompts"] = options.Prompts.ToString(),
            // Without a negative prompt is not the same as with an empty one.
            ["negativePrompt"] = picture.NegativePrompt,
            ["secondPrompt"] = picture.SecondPrompt,
            ["secondNegativePrompt"] = picture.SecondNegativePrompt,
            ["negativeClipSkip"] = picture.NegativeClipSkip,
            ["guidanceRange"] = $"{picture.GuidanceStart} {picture.GuidanceStop}",
            ["sizes"] = $"{picture.Sizes} {picture.NegativeSizes}",
            ["initialPicture"] = picture.InitialPicture is { } initial ? $"{Hash(initial)} {picture.Fit}" : null,
            ["controls"] = Lines(picture.Controls.Select(control =>
                $"{Hash(control.Picture)} {control.Scale} {control.Start} {control.End} {control.GuessMode}\n{control.Network.Origin}")),
            ["picturePrompts"] = Lines(picture.PicturePrompts.Select(prompt => $"{Hash(prompt.Picture)} {prompt.Scale}\n{prompt.Adapter.Origin}")),
        };
        if (first.Refiner is { } second)
        {
            job["refinerFiles"] = Lines(refiner!.Files);
            job["refinerSampling"] = JsonSerializer.SerializeToNode(second.Sampler.Options, Written);
        }
        return job.ToJsonString();
    }

    private static JsonArray Lines(IEnumerable<string> lines) => [.. lines.Select(line => (JsonNode)line)];

    private static string Hash(Picture picture) => $"{picture.Width}x{picture.Height} {Convert.ToHexStringLower(SHA256.HashData(picture.Data))}";
}
