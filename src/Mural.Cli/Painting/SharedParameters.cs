using System.Globalization;
using Mural.Cli.CommandLine;
using Mural.HiDiffusion;
using Mural.Imaging;
using Mural.Pipelines;
using Mural.Runtime;
using Mural.Samplers;

namespace Mural.Cli.Painting;

/// <summary>The settings that a picture of any program carries in the words of stable-diffusion-webui, as a request to paint it again.</summary>
internal static class SharedParameters
{
    /// <summary>The settings of a picture's file.</summary>
    /// <exception cref="MuralException">The file is no picture, or says nothing.</exception>
    internal static GenerationParameters Of(string path) => GenerationParameters.Parse(PictureReader.Identify(path).Metadata.Parameters
        ?? throw new MuralException($"{path} does not say how it was painted: only pictures with a text of generation parameters can be repeated."));

    /// <summary>The request. Its layers to leave out are counted as for Stable Diffusion 1: see <see cref="StableDiffusionJob"/>.</summary>
    internal static StableDiffusionRequest ToRequest(GenerationParameters parameters) => new()
    {
        Prompt = parameters.Prompt,
        NegativePrompt = parameters.NegativePrompt.Length > 0 ? parameters.NegativePrompt : Find(parameters, StableDiffusionParameters.EmptyNegative) is null ? null : "",
        Steps = parameters.Steps,
        Sampler = parameters.Sampler,
        SecondPrompt = Find(parameters, StableDiffusionParameters.SecondPrompt),
        SecondNegativePrompt = Find(parameters, StableDiffusionParameters.SecondNegative),
        Schedule = parameters.ScheduleType is "Automatic" ? Automatic(parameters.Sampler) : parameters.ScheduleType,
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
        GuidanceStart = Number(parameters, StableDiffusionParameters.GuidanceStart) ?? 0,
        GuidanceStop = Number(parameters, StableDiffusionParameters.GuidanceStop) ?? 1,
        Sizes = new SizeConditioning
        {
            Original = PictureSize.Read(Find(parameters, StableDiffusionParameters.OriginalSize)) is { } original ? (original.Height, original.Width) : null,
            Crop = CropPoint.Read(Find(parameters, StableDiffusionParameters.Crop)) is { } crop ? (crop.Top, crop.Left) : (0, 0),
            AestheticScore = Number(parameters, StableDiffusionParameters.AestheticScore),
        },
        MaskPadding = Number(parameters, StableDiffusionParameters.MaskPadding) is >= 0 and <= int.MaxValue and var padding ? (int)padding : null,
        // Others switch at the very end, too, which is never.
        RefinerStart = Number(parameters, StableDiffusionParameters.RefinerStart) is > 0 and < 1 and var share ? share : new StableDiffusionRequest().RefinerStart,
        HiDiffusion = Find(parameters, StableDiffusionParameters.HiDiffusion) is { } words ? HiDiffusionWords.Read(words) : null,
    };

    /// <summary>The number format that Mural painted it in; null where the picture does not say.</summary>
    internal static Precision? PrecisionOf(GenerationParameters parameters) => PrecisionNames.Parse(Find(parameters, StableDiffusionJob.PrecisionSetting));

    // The webui writes it where no schedule was chosen, and takes what suits the sampler.
    private static string? Automatic(string? sampler) => sampler is null ? null : SamplerNames.Plain(sampler) switch
    {
        "dpmpp2m" or "dpmppsde" or "dpmpp2sa" or "dpm2" or "dpm2a" or "restart" => "karras",
        "dpmpp2msde" or "dpmpp2msdeheun" or "dpmpp3msde" => "exponential",
        _ => null,
    };

    private static double? Number(GenerationParameters parameters, string key) =>
        double.TryParse(Find(parameters, key), NumberStyles.Float, CultureInfo.InvariantCulture, out double number) ? number : null;

    /// <summary>A setting that the webui has no word for, or null where the picture does not have it.</summary>
    internal static string? Find(GenerationParameters parameters, string key) => parameters.Others.FirstOrDefault(other => other.Key == key).Value;
}
