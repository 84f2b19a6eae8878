using System.Globalization;
using Mural.HiDiffusion;
using Mural.Samplers;
using Mural.Text;

namespace Mural.Pipelines;

/// <summary>Settles a request: which size, which settings (and says what is wrong or unwise).</summary>
/// <param name="parts">The model.</param>
/// <param name="refiner">SDXL's refiner, which takes over from it, or null.</param>
internal sealed class StableDiffusionPlanner(StableDiffusionParts parts, StableDiffusionParts? refiner = null)
{
    /// <exception cref="MuralException">The request cannot be fulfilled.</exception>
    internal StableDiffusionPlan Plan(StableDiffusionRequest request)
    {
        ArgumentNullException.ThrowIfNull(request);
        CheckNumbers(request);
        foreach (string? prompt in new[] { request.Prompt, request.SecondPrompt, request.NegativePrompt, request.SecondNegativePrompt })
            if (prompt is not null) PromptLimits.Check(prompt);
        StableDiffusionModelInfo model = parts.Info;
        PictureChecks.Check(request, model);
        foreach (ControlInput control in request.Controls) PictureChecks.Check(control, parts.UNet.Config);
        foreach (PicturePrompt prompt in request.PicturePrompts)
            if (!double.IsFinite(prompt.Scale)) throw new MuralException($"The IP-Adapter's scale is {prompt.Scale}; it must be a number.");
        (int width, int height) = Size(request);
        int steps = request.Steps ?? request.Sampling?.CustomTimesteps?.Count ?? request.Sampling?.CustomSigmas?.Count - 1 ?? model.Steps;
        double guidance = request.Guidance ?? model.Guidance;
        bool told = parts.UNet.Config.GuidanceEmbeddingWidth is not null;
        double? strength = request.InitialPicture is null ? null : request.Strength ?? (request.Mask is null ? 0.8 : 1);
        if (strength is { } asked) Sampler.RequireStrength(asked);
        SamplerOptions sampling = Sampling(request);
        // Models that were distilled to a few steps choose these among the last share of the original ones instead of leaving the first of them out, if the sampler can.
        bool chooses = told && strength is not null && sampling.Sampler is SamplerKind.Lcm or SamplerKind.Tcd;
        Sampler sampler = Sampler.Create(chooses ? sampling with { OriginalStepsShare = strength!.Value } : sampling, steps);
        var plan = new StableDiffusionPlan
        {
            Request = request,
            Model = model,
            Width = width,
            Height = height,
            Steps = steps,
            Sampler = sampler,
            Guidance = guidance,
            Strength = strength,
            FirstCall = strength is { } share ? chooses ? 0 : sampler.FirstCall(share) : 0,
            EndCall = sampler.Timesteps.Count,
            Device = parts.Runtime.Device,
            ClassifierFreeScale = told ? 1 : guidance,
            Architecture = Architecture(request),
            Warnings = [],
        };
        if (refiner is not null) plan = Refined(plan, refiner);
        // A refiner leaves the model fewer calls, of which the sentences speak.
        return plan with { Warnings = [.. Warnings(plan)] };
    }

    // The refiner goes on in the same schedule, whatever its own checkpoint says, with nothing but the prompts; what the base model is told beside them is for other networks.
    private static StableDiffusionPlan Refined(StableDiffusionPlan plan, StableDiffusionParts refiner)
    {
        StableDiffusionRequest request = plan.Request;
        StableDiffusionPlan second = new StableDiffusionPlanner(refiner).Plan(request with
        {
            Width = plan.Width,
            Height = plan.Height,
            Steps = plan.Steps,
            Guidance = plan.Guidance,
            Sampling = plan.Sampler.Options with { PredictionType = refiner.Sampling.PredictionType },
            Sampler = null,
            Schedule = null,
            InitialPicture = null,
            Strength = null,
            Mask = null,
            MaskPadding = null,
            Controls = [],
            PicturePrompts = [],
            HiDiffusion = null,
        });
        int takeover = Math.Max(plan.Sampler.CallsBefore(request.RefinerStart), plan.FirstCall);
        return plan with { EndCall = takeover, Refiner = second with { FirstCall = takeover, EarlierCalls = takeover - plan.FirstCall } };
    }

    private static void CheckNumbers(StableDiffusionRequest request)
    {
        RequestChecks.CheckNumbers(request.Count, request.Steps, request.Guidance);
        if (!(request.GuidanceRescale >= 0 && request.GuidanceRescale <= 1))
            throw new MuralException($"The guidance is to be rescaled by {request.GuidanceRescale}; give a share from 0 to 1.");
        if (request.PreviewEvery < 0) throw new MuralException($"A preview after every {request.PreviewEvery} calls was asked for; give 1 or more, or 0 for none.");
        CallRange.Require("The guidance", request.GuidanceStart, request.GuidanceStop);
        if (!(request.RefinerStart > 0 && request.RefinerStart < 1))
            throw new MuralException($"The refiner is to take over after a share of {request.RefinerStart} of the training steps; give a number between 0 and 1.");
        if (request.ClipSkip < 0 || request.NegativeClipSkip < 0)
            throw new MuralException($"{Math.Min(request.ClipSkip, request.NegativeClipSkip ?? 0)} layers of the text encoder cannot be skipped; give 0 for none, or more.");
    }

    // Pipelines of these models add no noise unless told to, whatever the sampler's own default.
    private SamplerOptions Sampling(StableDiffusionRequest request) =>
        (request.Sampling ?? parts.Sampling).Override(request.Sampler, ScheduleNames.OfFamily(request.Schedule, parts.Info.IsXL)) with { Eta = request.Eta };

    private (int Width, int Height) Size(StableDiffusionRequest request)
    {
        int width = request.Width ?? Rounded(request.InitialPicture?.Width) ?? parts.Info.Side;
        int height = request.Height ?? Rounded(request.InitialPicture?.Height) ?? parts.Info.Side;
        RequestChecks.CheckSides(width, height, parts.Info.Multiple, parts.Info.Name);
        RequestChecks.CheckArea(width, height);
        return (width, height);
    }

    private int? Rounded(int? side) => side is { } pixels ? Math.Max(pixels - pixels % parts.Info.Multiple, parts.Info.Multiple) : null;

    private HiDiffusionArchitecture? Architecture(StableDiffusionRequest request) => request.HiDiffusion is null ? null : HiDiffusionArchitecture.Find(
        parts.UNet.Config, parts.TakesFewSteps, parts.UNet.Config.SampleSize is null ? null : parts.Info.Side / parts.Info.Multiple)
        ?? throw new MuralException($"HiDiffusion is for the networks of Stable Diffusion 1, 2 and XL, but {parts.Info.Name} ({parts.Info.Family}) has another; leave it out.");

    private IEnumerable<string> Warnings(StableDiffusionPlan plan)
    {
        if (parts.Doubt is { } doubt) yield return doubt;
        foreach (string unused in parts.LoraWarnings) yield return unused;
        StableDiffusionRequest request = plan.Request;
        Sampler sampler = plan.Sampler;
        (int width, int height, double guidance, int side) = (plan.Width, plan.Height, plan.Guidance, parts.Info.Side);
        if (plan.IdleHiDiffusion is { } idle) yield return idle;
        foreach (string unused in plan.UnusedHiDiffusion) yield return unused;
        // What RAU-Net makes up for ends at about four times the side.
        long factor = plan.HiDiffusion is { Resamples: true } ? 16 : 2;
        if ((long)width * height > factor * side * side)
            yield return $"{parts.Info.Name} was trained on {side}x{side} pixels, not on {width}x{height}: expect things to repeat; "
                + $"paint it in stages, {(plan.HiDiffusion is null ? "with HiDiffusion, " : "")}or smaller.";
        else if (4L * width * height < (long)side * side)
            yield return $"{parts.Info.Name} was trained on {side}x{side} pixels, not on {width}x{height}: expect a poor picture; ask for a larger one.";
        if (guidance <= 1 && !string.IsNullOrEmpty(request.NegativePrompt))
            yield return string.Create(CultureInfo.InvariantCulture, $"At a guidance of {guidance} the negative prompt is not used; raise the guidance above 1.");
        if (guidance <= 1 && request.GuidanceRescale > 0)
            yield return string.Create(CultureInfo.InvariantCulture, $"At a guidance of {guidance} nothing is rescaled; raise the guidance above 1, or leave the rescaling out.");
        if (!parts.Info.IsXL && (request.SecondPrompt ?? request.SecondNegativePrompt) is not null)
            yield return $"{parts.Info.Name} has one text encoder, so that the second prompt is not used; say all in the first, or use a model of Stable Diffusion XL.";
        if (!parts.Info.IsXL && (request.Sizes != new SizeConditioning() || request.NegativeSizes is not null))
            yield return $"{parts.Info.Name} is told nothing of sizes, crops and scores, so that they are not used; leave them out, or use a model of Stable Diffusion XL.";
        // Evenly spread timesteps and leading ones begin where the last one lies.
        if (sampler.Timesteps.Count == 1 && sampler.TrainingStep(0) <= 1 && sampler.Options.CustomTimesteps is null)
            yield return "The only step begins where hardly any noise is expected, so that the picture will be noise; choose the schedule trailing, or more steps.";
        if (request.Eta > 0 && sampler.Options.Sampler is not (SamplerKind.Ddim or SamplerKind.Tcd))
            yield return $"The sampler {SamplerNames.Of(sampler.Options)} has no eta, so that it is not used; leave it out, or use ddim or tcd.";
    }
}
