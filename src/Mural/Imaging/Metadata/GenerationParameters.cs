using System.Globalization;
using System.Text;

namespace Mural.Imaging;

/// <summary>
/// How a picture was made, in the words and order of stable-diffusion-webui, which many programs and sites read (spec 9.1): the prompt, a line with
/// the negative prompt, a last line of settings. What the text does not say is null.
/// </summary>
public sealed record GenerationParameters
{
    internal const string NegativePrefix = "Negative prompt:";

    /// <summary>The prompt; may span lines.</summary>
    public string Prompt { get; init; } = "";

    /// <summary>The negative prompt; may span lines; empty for none.</summary>
    public string NegativePrompt { get; init; } = "";

    /// <summary>Steps of the sampler.</summary>
    public int? Steps { get; init; }

    /// <summary>Name of the sampler, for example <c>DPM++ 2M</c>.</summary>
    public string? Sampler { get; init; }

    /// <summary>Name of the noise schedule, for example <c>Karras</c>.</summary>
    public string? ScheduleType { get; init; }

    /// <summary>Strength of the classifier-free guidance.</summary>
    public double? GuidanceScale { get; init; }

    /// <summary>Seed of the noise.</summary>
    public long? Seed { get; init; }

    /// <summary>Width of the generated picture in pixels; the text has it together with <see cref="Height"/>.</summary>
    public int? Width { get; init; }

    /// <summary>Height of the generated picture in pixels.</summary>
    public int? Height { get; init; }

    /// <summary>First ten hexadecimal digits of the SHA-256 of the model's file.</summary>
    public string? ModelHash { get; init; }

    /// <summary>Name of the model.</summary>
    public string? Model { get; init; }

    /// <summary>Share of the noise schedule that an image-to-image run goes through, 0 to 1.</summary>
    public double? DenoisingStrength { get; init; }

    /// <summary>Layer of the text encoder counted from its end.</summary>
    public int? ClipSkip { get; init; }

    /// <summary>Where the noise came from, <c>CPU</c> or <c>NV</c>; programs that say nothing here drew it on the graphics card.</summary>
    public string? Rng { get; init; }

    /// <summary>Version of the program.</summary>
    public string? Version { get; init; }

    /// <summary>All other settings in their order, for example <c>VAE</c> or <c>Lora hashes</c>.</summary>
    public IReadOnlyList<KeyValuePair<string, string>> Others { get; init; } = [];

    /// <summary>The text. Reading it gives the same parameters, but for white space around the prompts.</summary>
    public string Format()
    {
        var text = new StringBuilder(Prompt);
        if (NegativePrompt.Length > 0) text.Append('\n').Append(NegativePrefix).Append(' ').Append(NegativePrompt);
        string settings = string.Join(", ", Settings().Where(setting => setting.Value is not null).Select(setting => $"{setting.Key}: {SettingsLine.Quote(setting.Value!)}"));
        if (settings.Length > 0) text.Append('\n').Append(settings);
        return text.ToString();
    }

    /// <summary>Reads a text. A last line with fewer than three settings counts as part of the prompt; nothing is ever refused.</summary>
    public static GenerationParameters Parse(string text)
    {
        string[] lines = text.Replace("\r\n", "\n", StringComparison.Ordinal).Replace('\r', '\n').Trim().Split('\n');
        List<KeyValuePair<string, string>> settings = SettingsLine.Parse(lines[^1]);
        if (settings.Count < SettingsLine.FewestSettings) settings = [];
        else lines = lines[..^1];
        int negative = Array.FindIndex(lines, line => line.StartsWith(NegativePrefix, StringComparison.Ordinal));
        string prompt = string.Join('\n', negative < 0 ? lines : lines[..negative]).Trim();
        string negativePrompt = negative < 0 ? "" : string.Join('\n', lines[negative..])[NegativePrefix.Length..].Trim();
        return settings.Aggregate(new GenerationParameters { Prompt = prompt, NegativePrompt = negativePrompt }, (all, setting) => all.With(setting));
    }

    private IEnumerable<KeyValuePair<string, string?>> Settings() =>
    [
        new("Steps", Number(Steps)),
        new("Sampler", Sampler),
        new("Schedule type", ScheduleType),
        new("CFG scale", Number(GuidanceScale)),
        new("Seed", Number(Seed)),
        new("Size", Width is null || Height is null ? null : $"{Number(Width)}x{Number(Height)}"),
        new("Model hash", ModelHash),
        new("Model", Model),
        new("Denoising strength", Number(DenoisingStrength)),
        new("Clip skip", Number(ClipSkip)),
        new("RNG", Rng),
        .. Others.Select(other => new KeyValuePair<string, string?>(other.Key, other.Value)),
        new("Version", Version),
    ];

    private GenerationParameters With(KeyValuePair<string, string> setting)
    {
        string value = setting.Value;
        GenerationParameters? known = setting.Key switch
        {
            "Steps" when Whole(value) is { } steps => this with { Steps = (int)steps },
            "Sampler" => this with { Sampler = value },
            "Schedule type" => this with { ScheduleType = value },
            "CFG scale" when Real(value) is { } scale => this with { GuidanceScale = scale },
            "Seed" when long.TryParse(value, CultureInfo.InvariantCulture, out long seed) => this with { Seed = seed },
            "Size" when value.Split('x') is [{ } width, { } height] && Whole(width) is { } w && Whole(height) is { } h => this with { Width = w, Height = h },
            "Model hash" => this with { ModelHash = value },
            "Model" => this with { Model = value },
            "Denoising strength" when Real(value) is { } strength => this with { DenoisingStrength = strength },
            "Clip skip" when Whole(value) is { } skip => this with { ClipSkip = skip },
            "RNG" => this with { Rng = value },
            "Version" => this with { Version = value },
            _ => null,
        };
        // What is not understood is kept as it is.
        return known ?? this with { Others = [.. Others, setting] };
    }

    private static string? Number(IFormattable? value) => value?.ToString(null, CultureInfo.InvariantCulture);

    private static int? Whole(string text) => int.TryParse(text, NumberStyles.Integer, CultureInfo.InvariantCulture, out int value) ? value : null;

    private static double? Real(string text) =>
        double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double value) && double.IsFinite(value) ? value : null;
}
