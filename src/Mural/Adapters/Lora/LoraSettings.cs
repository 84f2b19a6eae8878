using System.Globalization;
using System.Text.Json;
using Mural.Checkpoints;

namespace Mural.Adapters.Lora;

/// <summary>
/// What PEFT's settings in a file's free text say of scales: a default for each network, and values for layers whose names end in a given way
/// (spec stable-diffusion.md 7.3).
/// </summary>
internal sealed class LoraSettings
{
    private const string Entry = "lora_adapter_metadata";

    private readonly JsonElement? _settings;

    private LoraSettings(JsonElement? settings) => _settings = settings;

    /// <exception cref="MuralException">The settings are not JSON.</exception>
    internal static LoraSettings Read(ITensorSource source)
    {
        if (!source.Metadata.TryGetValue(Entry, out string? text)) return new LoraSettings(null);
        try
        {
            using JsonDocument json = JsonDocument.Parse(text);
            return new LoraSettings(json.RootElement.ValueKind == JsonValueKind.Object ? json.RootElement.Clone() : null);
        }
        catch (JsonException error)
        {
            throw new MuralException($"{source.Path} describes its scales in {Entry}, which is not valid JSON; the file is damaged.", error);
        }
    }

    /// <summary>α of a layer of some rank, or null where nothing is said.</summary>
    internal double? Alpha(string layer, long rank)
    {
        int dot = layer.IndexOf('.', StringComparison.Ordinal);
        if (_settings is not { } settings || dot < 0) return null;
        string network = layer[..dot], path = layer[(dot + 1)..];
        double? alpha = Pattern(settings, network + ".alpha_pattern", path)
            ?? (settings.TryGetProperty(network + ".lora_alpha", out JsonElement general) ? Number(general) : null);
        // Rank-stabilised LoRA: α / √r.
        bool stabilised = settings.TryGetProperty(network + ".use_rslora", out JsonElement flag) && flag.ValueKind == JsonValueKind.True;
        return stabilised ? alpha * Math.Sqrt(rank) : alpha;
    }

    private static double? Pattern(JsonElement settings, string key, string path)
    {
        if (!settings.TryGetProperty(key, out JsonElement patterns) || patterns.ValueKind != JsonValueKind.Object) return null;
        foreach (JsonProperty pattern in patterns.EnumerateObject())
            if (path == pattern.Name || path.EndsWith("." + pattern.Name, StringComparison.Ordinal)) return Number(pattern.Value);
        return null;
    }

    private static double? Number(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Number => value.GetDouble(),
        JsonValueKind.String when double.TryParse(value.GetString(), NumberStyles.Float, CultureInfo.InvariantCulture, out double number) => number,
        _ => null,
    };
}
