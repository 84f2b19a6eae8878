using Mural.Checkpoints;
using Mural.Pipelines;
using Mural.Samplers;

namespace Mural.Cli.Painting;

/// <summary>What comes closest to samplers and schedules of other programs that Mural lacks, for pictures that are painted again.</summary>
internal static class Substitutes
{
    private static readonly (string Name, string Closest)[] Samplers =
    [
        ("DPM++ 3M SDE", "dpmpp-2m-sde"), ("DPM++ 2S a", "dpmpp-2s"), ("Restart", "heun"), ("DPM fast", "dpmpp-2m"), ("DPM adaptive", "dpmpp-2m"), ("dpm++2mv2", "dpmpp-2m"),
        ("DDIM CFG++", "ddim"), ("ipndm", "pndm"),
    ];

    // What no other comes close to.
    private const string Plainest = "euler";

    private static readonly (string Name, string Closest)[] Schedules =
    [
        ("Polyexponential", "exponential"), ("KL Optimal", "karras"), ("Karras Exponential", "karras"), ("DDIM", "leading"), ("ddim_uniform", "leading"), ("Turbo", "trailing"),
    ];

    /// <summary>The request with a sampler and a schedule that there are.</summary>
    /// <param name="request">What a picture's text asks for.</param>
    /// <param name="keepSchedule">Whether the schedule does not matter, because another is asked for.</param>
    /// <param name="warn">Takes a sentence about each that was exchanged.</param>
    internal static StableDiffusionRequest For(StableDiffusionRequest request, bool keepSchedule, Action<string> warn)
    {
        if (request.Sampler is { } sampler && !Has(sampler, null))
        {
            string closest = Closest(sampler, Samplers) ?? Plainest;
            // Names may end with a schedule's.
            string? suffix = ScheduleNames.Suffixes.FirstOrDefault(name => SamplerNames.Plain(sampler).EndsWith(name, StringComparison.Ordinal));
            if (suffix is not null && Has($"{closest} {suffix}", null)) closest += " " + suffix;
            warn($"The picture was painted with the sampler {Quote.Name(sampler)}, which Mural does not have, so that it will be another: "
                + $"{closest} is taken instead; --sampler chooses.");
            request = request with { Sampler = closest };
        }
        if (request.Schedule is not { } schedule || keepSchedule || Has(request.Sampler, schedule)) return request;
        string? instead = Closest(schedule, Schedules);
        if (instead is not null && !Has(request.Sampler, instead)) instead = null;
        warn($"The picture was painted with the schedule {Quote.Name(schedule)}, which Mural does not have for its sampler, so that it may be another: "
            + $"{instead ?? "the sampler's own"} is taken instead; --schedule chooses.");
        return request with { Schedule = instead };
    }

    private static bool Has(string? sampler, string? schedule)
    {
        try
        {
            return new SamplerOptions().Override(sampler, schedule) is not null;
        }
        catch (MuralException)
        {
            return false;
        }
    }

    private static string? Closest(string name, (string Name, string Closest)[] known) =>
        known.FirstOrDefault(entry => SamplerNames.Plain(name).StartsWith(SamplerNames.Plain(entry.Name), StringComparison.Ordinal)).Closest;
}
