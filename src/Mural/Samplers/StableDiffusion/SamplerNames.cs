namespace Mural.Samplers;

/// <summary>
/// What people call samplers (Stable Diffusion specification 5.16): names of the command line, and those of other programs, whose case and punctuation
/// vary and which may end with a schedule's name, as in <c>DPM++ 2M Karras</c>.
/// </summary>
internal static class SamplerNames
{
    // The first name is the command line's, the second stable-diffusion-webui's, the others are further spellings.
    private static readonly Entry[] Entries =
    [
        new(SamplerKind.Ddim, ["ddim", "DDIM"]),
        new(SamplerKind.Ddpm, ["ddpm", "DDPM"]),
        new(SamplerKind.Pndm, ["pndm", "PLMS"], options => options with { SkipPrkSteps = true }),
        new(SamplerKind.Euler, ["euler", "Euler"]),
        new(SamplerKind.EulerAncestral, ["euler-a", "Euler a", "euler-ancestral"]),
        new(SamplerKind.Heun, ["heun", "Heun"]),
        new(SamplerKind.Lms, ["lms", "LMS"]),
        new(SamplerKind.DpmMultistep, ["dpmpp-2m", "DPM++ 2M"], Multistep(SolverAlgorithm.DpmSolverPlusPlus, SolverType.Midpoint)),
        new(SamplerKind.DpmMultistep, ["dpmpp-2m-sde", "DPM++ 2M SDE"], Multistep(SolverAlgorithm.SdeDpmSolverPlusPlus, SolverType.Midpoint)),
        new(SamplerKind.DpmMultistep, ["dpmpp-2m-sde-heun", "DPM++ 2M SDE Heun"], Multistep(SolverAlgorithm.SdeDpmSolverPlusPlus, SolverType.Heun)),
        new(SamplerKind.DpmSinglestep, ["dpmpp-2s", "DPM++ 2S"], Multistep(SolverAlgorithm.DpmSolverPlusPlus, SolverType.Midpoint)),
        new(SamplerKind.DpmSde, ["dpmpp-sde", "DPM++ SDE"]),
        new(SamplerKind.Dpm2, ["dpm2", "DPM2"]),
        new(SamplerKind.Dpm2Ancestral, ["dpm2-a", "DPM2 a", "dpm2-ancestral"]),
        new(SamplerKind.UniPc, ["unipc", "UniPC", "uni-pc-bh2"]),
        new(SamplerKind.Deis, ["deis", "DEIS"]),
        new(SamplerKind.Lcm, ["lcm", "LCM"]),
        new(SamplerKind.Tcd, ["tcd", "TCD"]),
    ];

    /// <summary>The command line's names, for messages.</summary>
    internal static string List => string.Join(", ", Entries.Select(entry => entry.Names[0]));

    /// <summary>The command line's name of the options' sampler.</summary>
    internal static string Of(SamplerOptions options) => Find(options)?.Names[0] ?? "of the checkpoint";

    /// <summary>The name of the options' sampler in stable-diffusion-webui, which pictures' metadata use.</summary>
    internal static string? WebUiName(SamplerOptions options) => Find(options)?.Names[1];

    /// <summary>The options with the sampler of that name, and with its schedule where the name says one.</summary>
    /// <exception cref="MuralException">There is no such name.</exception>
    internal static SamplerOptions Choose(SamplerOptions options, string name)
    {
        string text = Plain(name);
        // k-diffusion's names begin with its own in other programs, and stable-diffusion.cpp's end with the schedule that is none.
        if (name.StartsWith("k_", StringComparison.OrdinalIgnoreCase)) text = text[1..];
        if (text.EndsWith("discrete", StringComparison.Ordinal)) text = text[..^"discrete".Length];
        if (Find(text) is { } entry) return Switch(options, entry);
        string? schedule = ScheduleNames.Suffixes.FirstOrDefault(suffix => text.EndsWith(suffix, StringComparison.Ordinal));
        if (schedule is not null && Find(text[..^schedule.Length]) is { } prefix) return ScheduleNames.Choose(Switch(options, prefix), schedule);
        throw new MuralException($"There is no sampler {Checkpoints.Quote.Name(name)}; choose one of {List}.");
    }

    /// <summary>A name without its case, spaces and hyphens.</summary>
    internal static string Plain(string name) => string.Concat(name.ToLowerInvariant().Replace("++", "pp", StringComparison.Ordinal).Where(char.IsAsciiLetterOrDigit));

    // A schedule that another sampler's configuration states stays only where the new sampler has it in the reference too.
    private static SamplerOptions Switch(SamplerOptions options, Entry entry)
    {
        bool keepsSchedule = entry.Kind switch
        {
            SamplerKind.EulerAncestral => options.Sampler == entry.Kind,
            _ => options.SigmaSchedule != SigmaSchedule.Lu || entry.Kind == SamplerKind.DpmMultistep,
        };
        options = options with { Sampler = entry.Kind, SigmaSchedule = keepsSchedule ? options.SigmaSchedule : SigmaSchedule.FromTimesteps };
        return entry.Settle(options);
    }

    private static Func<SamplerOptions, SamplerOptions> Multistep(SolverAlgorithm algorithm, SolverType type) =>
        options => options with { SolverAlgorithm = algorithm, SolverType = type, SolverOrder = 2 };

    private static Entry? Find(string text) => Entries.FirstOrDefault(entry => entry.Names.Any(name => Plain(name) == text));

    // Of several entries of a kind, the one whose settings the options have; the first where none fits.
    private static Entry? Find(SamplerOptions options)
    {
        Entry[] ofKind = [.. Entries.Where(entry => entry.Kind == options.Sampler)];
        return ofKind.FirstOrDefault(entry => entry.Settle(options) is var settled
            && settled.SolverAlgorithm == options.SolverAlgorithm
            && settled.SolverType == SolverType.Heun == (options.SolverType == SolverType.Heun)) ?? ofKind.FirstOrDefault();
    }

    private sealed record Entry(SamplerKind Kind, string[] Names, Func<SamplerOptions, SamplerOptions>? Settings = null)
    {
        internal SamplerOptions Settle(SamplerOptions options) => Settings?.Invoke(options) ?? options;
    }
}
