namespace Mural.Samplers;

/// <summary>What people call noise schedules (Stable Diffusion specification 5.9).</summary>
internal static class ScheduleNames
{
    // In stable-diffusion-webui the name of the aligned steps stands for those of the model's family.
    private const string Aligned = "ays", AlignedXL = "ays-sdxl", AlignedOfFamily = "Align Your Steps";

    // Its name of the sampler's own schedule, which for some samplers is karras or exponential there.
    private const string Own = "automatic";

    private static readonly (string Name, SigmaSchedule Schedule)[] Shapes =
    [
        ("karras", SigmaSchedule.Karras), ("exponential", SigmaSchedule.Exponential), ("beta", SigmaSchedule.Beta), ("lu", SigmaSchedule.Lu),
        (Aligned, SigmaSchedule.AlignYourSteps), (AlignedXL, SigmaSchedule.AlignYourStepsXL),
    ];

    private static readonly (string Name, TimestepSpacing Spacing)[] Spacings =
    [
        ("normal", TimestepSpacing.Linspace), ("linspace", TimestepSpacing.Linspace), ("uniform", TimestepSpacing.Linspace),
        ("leading", TimestepSpacing.Leading), ("trailing", TimestepSpacing.Trailing),
        ("sgm-uniform", TimestepSpacing.SgmUniform), ("simple", TimestepSpacing.Simple),
    ];

    /// <summary>What names of samplers may end with; stable-diffusion.cpp ends them with "discrete", too, which names none.</summary>
    internal static IReadOnlyList<string> Suffixes { get; } = ["karras", "exponential"];

    private static string List => string.Join(", ", Shapes.Select(shape => shape.Name).Concat(Spacings.Select(spacing => spacing.Name)));

    /// <summary>What a name stands for with a model: stable-diffusion-webui's name of the aligned steps, for those of the model's family.</summary>
    /// <param name="name">The name, or null for none.</param>
    /// <param name="xl">Whether the model is of the SDXL family.</param>
    internal static string? OfFamily(string? name, bool xl) =>
        name is not null && SamplerNames.Plain(name) == SamplerNames.Plain(AlignedOfFamily) ? xl ? AlignedXL : Aligned : name;

    /// <summary>The schedule's name in stable-diffusion-webui, which pictures' metadata use, or its own where that has none; null where the sampler's own holds.</summary>
    /// <param name="options">The options.</param>
    /// <param name="xl">Whether they are used with a model of the SDXL family.</param>
    internal static string? WebUiName(SamplerOptions options, bool xl) => options switch
    {
        { SigmaSchedule: SigmaSchedule.Karras } => "Karras",
        { SigmaSchedule: SigmaSchedule.Exponential } => "Exponential",
        { SigmaSchedule: SigmaSchedule.Beta } => "Beta",
        { SigmaSchedule: SigmaSchedule.AlignYourSteps } => xl ? Aligned : AlignedOfFamily,
        { SigmaSchedule: SigmaSchedule.AlignYourStepsXL } => xl ? AlignedOfFamily : AlignedXL,
        { SigmaSchedule: SigmaSchedule.Lu } => "lu",
        { TimestepSpacing: TimestepSpacing.SgmUniform } => "SGM Uniform",
        { TimestepSpacing: TimestepSpacing.Simple } => "Simple",
        { CustomTimesteps: null, CustomSigmas: null, Sampler: { } kind } when SamplerMethods.Of(kind) is { HasSigmaSchedules: true } method => SpacingName(options, method),
        _ => null,
    };

    // Where samplers have schedules, none is no name for evenly spread timesteps: the webui takes another schedule where its text has none.
    private static string SpacingName(SamplerOptions options, SamplerMethod method) => method.HasTimestepSpacings
        && options.TimestepSpacing is { } spacing and not TimestepSpacing.Linspace
        ? Spacings.First(entry => entry.Spacing == spacing).Name
        : "Uniform";

    /// <summary>The options with the schedule of that name.</summary>
    /// <exception cref="MuralException">There is no such name, or the sampler has no such schedule.</exception>
    internal static SamplerOptions Choose(SamplerOptions options, string name)
    {
        string text = SamplerNames.Plain(OfFamily(name, xl: false)!);
        if (text == Own) return options;
        SamplerMethod? method = options.Sampler is { } kind ? SamplerMethods.Of(kind) : null;
        foreach ((string shape, SigmaSchedule schedule) in Shapes.Where(entry => SamplerNames.Plain(entry.Name) == text))
        {
            bool has = method is { HasSigmaSchedules: true } && (schedule != SigmaSchedule.Lu || method.Kind == SamplerKind.DpmMultistep);
            return has ? options with { SigmaSchedule = schedule } : throw Missing(options, shape);
        }
        foreach ((string spaced, TimestepSpacing spacing) in Spacings.Where(entry => SamplerNames.Plain(entry.Name) == text))
        {
            // The single-step solver has noise levels to choose from, and of spacings only this one.
            bool has = method is { HasTimestepSpacings: true } || (method is { HasSigmaSchedules: true } && spacing == TimestepSpacing.Linspace);
            return has ? options with { TimestepSpacing = spacing, SigmaSchedule = SigmaSchedule.FromTimesteps } : throw Missing(options, spaced);
        }
        throw new MuralException($"There is no noise schedule {Checkpoints.Quote.Name(name)}; choose one of {List}.");
    }

    private static MuralException Missing(SamplerOptions options, string schedule) =>
        new($"The sampler {SamplerNames.Of(options)} has no schedule {schedule}; leave the schedule out, or choose another sampler such as euler or dpmpp-2m.");
}
