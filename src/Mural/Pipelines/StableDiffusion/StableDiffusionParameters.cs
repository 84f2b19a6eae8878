using System.Globalization;
using Mural.HiDiffusion;
using Mural.Imaging;
using Mural.Samplers;

namespace Mural.Pipelines;

/// <summary>How a picture was made, in the words of stable-diffusion-webui (Stable Diffusion specification 9.1).</summary>
internal static class StableDiffusionParameters
{
    // Settings that the webui has no word for.
    internal const string Eta = "Eta", GuidanceRescale = "Guidance rescale", LinFusion = "LinFusion", HiDiffusion = "HiDiffusion", EmptyNegative = "Empty negative prompt";
    internal const string GuidanceStart = "Guidance start", GuidanceStop = "Guidance stop", SecondPrompt = "Second prompt", SecondNegative = "Second negative prompt";
    internal const string OriginalSize = "Original size", Crop = "Crop", AestheticScore = "Aesthetic score";

    // Settings that it has.
    internal const string Refiner = "Refiner", RefinerStart = "Refiner switch at", MaskPadding = "Masked area padding";

    internal static GenerationParameters Of(StableDiffusionPlan plan, long seed)
    {
        StableDiffusionRequest request = plan.Request;
        var others = new List<KeyValuePair<string, string>>();
        void Add(string key, double value, double usual)
        {
            if (value != usual) others.Add(new(key, value.ToString(CultureInfo.InvariantCulture)));
        }
        Add(Eta, request.Eta, 0);
        Add(GuidanceRescale, request.GuidanceRescale, 0);
        Add(GuidanceStart, request.GuidanceStart, 0);
        Add(GuidanceStop, request.GuidanceStop, 1);
        if (request.SecondPrompt is { } second) others.Add(new(SecondPrompt, second));
        if (request.SecondNegativePrompt is { } secondNegative) others.Add(new(SecondNegative, secondNegative));
        if (request.Sizes.Original is var (height, width)) others.Add(new(OriginalSize, string.Create(CultureInfo.InvariantCulture, $"{width}x{height}")));
        (int top, int left) = request.Sizes.Crop;
        if ((top, left) != (0, 0)) others.Add(new(Crop, string.Create(CultureInfo.InvariantCulture, $"{left},{top}")));
        if (request.Sizes.AestheticScore is { } score) Add(AestheticScore, score, double.NaN);
        // The text has no line for it, as for none at all.
        if (request.NegativePrompt is "") others.Add(new(EmptyNegative, "true"));
        if (request.MaskPadding is { } padding) Add(MaskPadding, padding, double.NaN);
        if (plan.Model.LinFusion is { } attention) others.Add(new(LinFusion, attention));
        if (request.HiDiffusion is { } hiDiffusion) others.Add(new(HiDiffusion, HiDiffusionWords.Write(hiDiffusion)));
        if (plan.Refiner is { } refiner)
        {
            others.Add(new(Refiner, refiner.Model.Name));
            Add(RefinerStart, request.RefinerStart, double.NaN);
        }
        return new GenerationParameters
        {
            Prompt = request.Prompt,
            NegativePrompt = request.NegativePrompt ?? "",
            Steps = plan.Steps,
            Sampler = SamplerNames.WebUiName(plan.Sampler.Options),
            ScheduleType = ScheduleNames.WebUiName(plan.Sampler.Options, plan.Model.IsXL) ?? request.Schedule,
            GuidanceScale = plan.Guidance,
            Seed = seed,
            Width = plan.Width,
            Height = plan.Height,
            Model = plan.Model.Name,
            DenoisingStrength = plan.Strength,
            ClipSkip = request.ClipSkip > 0 ? request.ClipSkip + 1 + plan.Model.LayersLeftOut : null,
            Rng = request.Noise == NoiseOrigin.Cuda ? "NV" : "CPU",
            Others = others,
            Version = $"Mural {typeof(StableDiffusionParameters).Assembly.GetName().Version!.ToString(3)}",
        };
    }
}
