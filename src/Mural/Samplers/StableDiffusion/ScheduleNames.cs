namespace Mural.Samplers;

/// <summary>What people call noise schedules (Stable Diffusion specification 5.9).</summary>
internal static class ScheduleNames
{
    private static readonly (string Name, SigmaSchedule Schedule)[] Shapes =
    [
        ("karras", SigmaSchedule.Karras), ("exponential", SigmaSchedule.Exponential), ("beta", SigmaSchedule.Beta), ("lu", SigmaSchedule.Lu),
        ("ays", SigmaSchedule.AlignYourSteps), ("ays-sdxl", SigmaSchedule.AlignYourStepsXL),
    ];

    private static readonly (string Name, TimestepSpacing Spacing)[] Spacings =
    [
        ("normal", TimestepSpacing.Linspace), ("linspace", TimestepSpacing.Linspace), ("leading", TimestepSpacing.Leading), ("trailing", TimestepSpacing.Trailing),
        ("sgm-uniform", TimestepSpacing.SgmUniform), ("simple", TimestepSpacing.Simple),
    ];

    /// <summary>What names of samplers may end with.</summary>
    internal static IReadOnlyList<string> Suffixes { get; } = ["karras", "exponential"];

    private static string List => string.Join(", ", Shapes.Select(shape => shape.Name).Concat(Spacings.Select(spacing => spacing.Name)));

    /// <summary>The schedule's name in stable-diffusion-webui, which pictures' metadata use; null where the sampler's own holds.</summary>
    internal static string? WebUiName(SamplerOptions options) => options switch
    {
        { SigmaSchedule: SigmaSchedule.Karras } => "Karras",
        { SigmaSchedule: SigmaSchedule.Exponential } => "Exponential",
        { SigmaSchedule: SigmaSchedule.Beta } => "Beta",
        { SigmaSchedule: SigmaSchedule.AlignYourSteps or SigmaSchedule.AlignYourStepsXL } => "Align Your Steps",
        { TimestepSpacing: TimestepSpacing.SgmUniform } => "SGM Uniform",
        { TimestepSpacing: TimestepSpacing.Simple } => "Simple",
        _ => null,
    };

    /// <summary>The options with the schedule of that name.</summary>
    /// <exception cref="MuralException">There is no such name, or the sampler has no such schedule.</exception>
    internal static SamplerOptions Choose(SamplerOptions options, string name)
    {
        string text = SamplerNames.Plain(name) switch { "alignyoursteps" => "ays", string other => other };
        SamplerMethod? method = options.Sampler is { } kind ? SamplerMethods.Of(kind) : null;
        foreach ((string shape, SigmaSchedule schedule) in Shapes.Where(entry => SamplerNames.Plain(entry.Name) == text))
        {
            bool has = method is { HasSigmaSchedules: true } && (schedule != SigmaSchedule.Lu || method.Kind == SamplerKind.DpmMultistep);
            return has ? options with { SigmaSchedule = schedule } : throw Missing(options, shape);
        }
        foreach ((string spaced, TimestepSpacing spacing) in Spacings.Where(entry => SamplerNames.Plain(entry.Name) == text))
        {
            return method is { HasTimestepSpacings: true }
                ? options with { TimestepSpacing = spacing, SigmaSchedule = SigmaSchedule.FromTimesteps }
                : throw Missing(options, spaced);
        }
        throw new MuralException($"There is no noise schedule {Checkpoints.Quote.Name(name)}; choose one of {List}.");
    }

    private static MuralException Missing(SamplerOptions options, string schedule) =>
        new($"The sampler {SamplerNames.Of(options)} has no schedule {schedule}; leave the schedule out, or choose another sampler such as euler or dpmpp-2m.");
}
