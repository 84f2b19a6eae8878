using System.Globalization;
using Mural.Cli.CommandLine;
using Mural.HiDiffusion;
using Mural.Imaging;
using Mural.Pipelines;
using Mural.Runtime;

namespace Mural.Cli.Painting;

/// <summary>The settings that a picture of any program carries in the words of stable-diffusion-webui, as a request to paint it again.</summary>
internal static class SharedParameters
{
    /// <summary>The settings of a picture's file.</summary>
    /// <exception cref="MuralException">The file is no picture, or says nothing.</exception>
    internal static GenerationParameters Of(string path) => GenerationParameters.Parse(PictureReader.Identify(path).Metadata.Parameters
        ?? throw new MuralException($"{path} does not say how it was painted: only pictures with a text of generation parameters can be repeated."));

    internal static StableDiffusionRequest ToRequest(GenerationParameters parameters) => new()
    {
        Prompt = parameters.Prompt,
        NegativePrompt = parameters.NegativePrompt.Length > 0 ? parameters.NegativePrompt : Find(parameters, StableDiffusionParameters.EmptyNegative) is null ? null : "",
        Steps = parameters.Steps,
        Sampler = parameters.Sampler,
        // What the webui writes where the sampler's own schedule holds.
        Schedule = parameters.ScheduleType is "Automatic" ? null : parameters.ScheduleType,
        Guidance = parameters.GuidanceScale,
        Seed = parameters.Seed ?? 0,
        Width = parameters.Width,
        Height = parameters.Height,
        Strength = parameters.DenoisingStrength,
        ClipSkip = Math.Max((parameters.ClipSkip ?? 1) - 1, 0),
        // Programs that say nothing drew the noise on a graphics card.
        Noise = parameters.Rng == "CPU" ? NoiseOrigin.Cpu : NoiseOrigin.Cuda,
        Eta = Number(parameters, StableDiffusionParameters.Eta) ?? 0,
        GuidanceRescale = Number(parameters, StableDiffusionParameters.GuidanceRescale) ?? 0,
        MaskPadding = Number(parameters, StableDiffusionParameters.MaskPadding) is >= 0 and <= int.MaxValue and var padding ? (int)padding : null,
        // Others switch at the very end, too, which is never.
        RefinerStart = Number(parameters, StableDiffusionParameters.RefinerStart) is > 0 and < 1 and var share ? share : new StableDiffusionRequest().RefinerStart,
        HiDiffusion = Find(parameters, StableDiffusionParameters.HiDiffusion) is { } words ? HiDiffusionWords.Read(words) : null,
    };

    /// <summary>The number format that Mural painted it in; null where the picture does not say.</summary>
    internal static Precision? PrecisionOf(GenerationParameters parameters) => PrecisionNames.Parse(Find(parameters, StableDiffusionJob.PrecisionSetting));

    private static double? Number(GenerationParameters parameters, string key) =>
        double.TryParse(Find(parameters, key), NumberStyles.Float, CultureInfo.InvariantCulture, out double number) ? number : null;

    /// <summary>A setting that the webui has no word for, or null where the picture does not have it.</summary>
    internal static string? Find(GenerationParameters parameters, string key) => parameters.Others.FirstOrDefault(other => other.Key == key).Value;
}
