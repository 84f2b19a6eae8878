using Mural.Imaging;
using Mural.Samplers;

namespace Mural.Pipelines;

/// <summary>Settles the stages of a large picture.</summary>
/// <param name="planner">Plans the first one.</param>
/// <param name="model">The model.</param>
internal sealed class LargePicturePlanner(StableDiffusionPlanner planner, StableDiffusionModelInfo model)
{
    private const double SdEditStrength = 0.4, DilatedStrength = 0.32;

    /// <exception cref="MuralException">The request cannot be fulfilled.</exception>
    internal LargePicturePlan Plan(LargePictureRequest request)
    {
        ArgumentNullException.ThrowIfNull(request);
        UpscaleMethod method = request.Method ?? UpscaleMethod.SdEdit;
        double strength = request.Strength ?? (method == UpscaleMethod.SdEdit ? SdEditStrength : DilatedStrength);
        Require(request, strength);
        return method == UpscaleMethod.SuperResolution ? SuperResolution(request, strength) : Chain(request, method, strength);
    }

    private LargePicturePlan Chain(LargePictureRequest request, UpscaleMethod method, double strength)
    {
        StableDiffusionRequest picture = request.Picture;
        int side = Math.Max(picture.Width ?? 0, picture.Height ?? 0) is > 0 and int asked ? asked : model.Side;
        if (side < model.Multiple)
            throw new MuralException($"The first stage's longer side is {side} pixels, but {model.Name} needs a multiple of {model.Multiple}; use {model.Multiple} or more.");
        LargePictureSizes sizes = LargePictureSizes.Of(request.Height, request.Width, side, model.Multiple);
        StableDiffusionPlan first = planner.Plan(
            (method == UpscaleMethod.SdEdit ? picture : Sized(picture, sizes)) with { Width = sizes.BaseWidth, Height = sizes.BaseHeight, Count = 1 });
        RequireSteps(first, method);
        var stages = new List<LargePictureStage> { new(first.Width, first.Height, 1, first.Calls) { Plan = first } };
        IReadOnlyList<(double Share, int Steps)> shares = method == UpscaleMethod.SdEdit
            ? StageStrengths.SdEdit(strength, sizes.Doublings, first.Steps)
            : StageStrengths.HighResolution(strength, sizes.Doublings, first.Steps);
        foreach ((int i, (double share, int steps)) in shares.Index())
            stages.Add(Enlarged(first, sizes.BaseWidth << (i + 1), sizes.BaseHeight << (i + 1), share, steps));
        return Planned(request, method, strength, stages, first);
    }

    private LargePicturePlan SuperResolution(LargePictureRequest request, double strength)
    {
        Picture given = request.Picture.InitialPicture
            ?? throw new MuralException("Super-resolution enlarges a given picture, and none was given; give one, or choose another method.");
        RequireNoFirstStage(request.Picture);
        int width = RoundedUp(request.Width), height = RoundedUp(request.Height);
        if (RatioOf(width, height) < 2)
            throw new MuralException(
                $"Super-resolution goes beyond the {model.Side} pixels that {model.Name} was trained on, but {request.Width}x{request.Height} were asked for; ask for more.");
        var all = new LargePictureSizes(height, width, 0);
        StableDiffusionRequest settings = Sized(request.Picture, all) with
        {
            // The size of the result may be beyond what one array holds.
            Width = model.Side,
            Height = model.Side,
            Count = 1,
            InitialPicture = null,
        };
        StableDiffusionPlan plan = planner.Plan(settings);
        // A pipeline has its refiner for other requests too, so that it is no mistake of this one.
        if (plan.Refiner is not null)
            plan = plan with
            {
                Refiner = null,
                Warnings = [.. plan.Warnings, "The refiner finishes what a first stage begins, and is not used by super-resolution, which has none."]
            };
        RequireSteps(plan, UpscaleMethod.SuperResolution);
        LargePictureStage start = new(given.Width, given.Height, 1, 0) { Plan = plan };
        return Planned(
            request, UpscaleMethod.SuperResolution, strength, [start, Enlarged(plan, width, height, strength, StageStrengths.SuperResolution(strength, plan.Steps))], plan);
    }

    private LargePicturePlan Planned(LargePictureRequest request, UpscaleMethod method, double strength, IReadOnlyList<LargePictureStage> stages, StableDiffusionPlan first)
    {
        var plan = new LargePicturePlan { Request = request, Method = method, Strength = strength, Stages = stages, Warnings = [] };
        // What the first stage is too small for, a later one may do.
        StableDiffusionPlan[] painted = [.. stages.Where(stage => stage.Calls > 0).Select(stage => stage.Plan)];
        IEnumerable<string?> idle = painted.Select(stage => stage.IdleHiDiffusion);
        IEnumerable<IReadOnlyList<string>> unused = painted.Select(stage => stage.UnusedHiDiffusion);
        var warnings = new List<string>(first.Warnings.Where(warning => warning != first.IdleHiDiffusion && !first.UnusedHiDiffusion.Contains(warning)));
        // A refiner that takes over at once leaves the model nothing to paint.
        if (painted.Length > 0)
        {
            if (idle.All(sentence => sentence is not null)) warnings.Add(idle.Last()!);
            warnings.AddRange(unused.First().Where(sentence => unused.All(stage => stage.Contains(sentence))));
        }
        if ((plan.Width, plan.Height) != (request.Width, request.Height))
        {
            string reason = method == UpscaleMethod.SuperResolution
                ? $"its sides are rounded up to multiples of {model.Multiple}."
                : "doubling from a first size of whole latent positions reaches no nearer one.";
            warnings.Add($"The picture will have {plan.Width}x{plan.Height} pixels instead of {request.Width}x{request.Height}: {reason}");
        }
        if (model.LinFusion is null && Math.Max(plan.Width, plan.Height) > 4 * model.Side)
            warnings.Add("The time of the model's own attention grows with the square of the pixels; "
                + "use linear attention for the model's family (LinFusion), whose time grows with the pixels.");
        return plan with { Warnings = warnings };
    }

    private LargePictureStage Enlarged(StableDiffusionPlan first, int width, int height, double strength, int steps)
    {
        // A first stage on a given picture may have chosen among the last of the original steps.
        SamplerOptions sampling = first.Sampler.Options with { OriginalStepsShare = first.Request.Sampling?.OriginalStepsShare ?? 1 };
        Sampler sampler = sampling == first.Sampler.Options ? first.Sampler : Sampler.Create(sampling, first.Steps);
        StableDiffusionPlan plan = first with
        {
            Width = width,
            Height = height,
            Sampler = sampler,
            Strength = strength,
            FirstCall = sampler.FirstCallOf(steps),
            EndCall = sampler.Timesteps.Count,
            Refiner = null
        };
        return new LargePictureStage(width, height, RatioOf(width, height), plan.Calls) { Plan = plan };
    }

    // Of the model's own size, whatever that of the first stage; rounded up where the side is no multiple of the model's.
    private int RatioOf(int width, int height) => (Math.Max(width, height) + model.Side - 1) / model.Side;

    // What SDXL is told of the size is that of the finished picture, in every stage of the high-resolution pipeline (specification 5.2); those of SDEdit are told their own.
    private StableDiffusionRequest Sized(StableDiffusionRequest picture, LargePictureSizes all) => !model.IsXL ? picture : picture with
    {
        Sizes = Sized(picture.Sizes, all),
        NegativeSizes = picture.NegativeSizes is { } negative ? Sized(negative, all) : null,
    };

    private static SizeConditioning Sized(SizeConditioning sizes, LargePictureSizes all) => sizes with
    {
        Original = sizes.Original ?? (all.Height, all.Width),
        Target = sizes.Target ?? (all.Height, all.Width)
    };

    private int RoundedUp(int side) => (side + model.Multiple - 1) / model.Multiple * model.Multiple;

    private static void RequireNoFirstStage(StableDiffusionRequest picture)
    {
        string? given = (picture.Width ?? picture.Height) is not null ? "A size" : picture.Strength is not null ? "A strength" : null;
        if (given is not null)
            throw new MuralException(
                $"{given} of the first stage was asked for, but super-resolution, which enlarges a given picture, has none; leave it out, or choose another method.");
    }

    private static void RequireSteps(StableDiffusionPlan plan, UpscaleMethod method)
    {
        if (method != UpscaleMethod.SdEdit && !plan.Sampler.StepsAlone)
            throw new MuralException($"Dilated convolutions need a sampler that steps from one state alone, which {SamplerNames.Of(plan.Sampler.Options)} does not; "
                + $"use the sampler euler or ddim, or the method sdedit.");
    }

    private static void Require(LargePictureRequest request, double strength)
    {
        if (request.Width < 1 || request.Height < 1)
            throw new MuralException($"A picture of {request.Width}x{request.Height} pixels was asked for; give a width and a height of at least 1.");
        if (request.Width > 1 << 17 || request.Height > 1 << 17)
            throw new MuralException($"A picture of {request.Width}x{request.Height} pixels was asked for; a side may have at most {1 << 17}.");
        if (!(strength > 0 && strength <= 1)) throw new MuralException($"The strength of the first doubling is {strength}; give a number above 0 and up to 1.");
        request.Dilation.Require();
        StableDiffusionRequest picture = request.Picture;
        if (picture.Mask is not null) throw new MuralException("A large picture is painted as a whole and takes no mask; repaint a part of the finished one instead.");
        if (picture.Count != 1) throw new MuralException($"{picture.Count} large pictures were asked for, but they are painted one at a time; ask for 1.");
    }
}
