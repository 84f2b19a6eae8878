using System.Globalization;
using System.Text.Json;
using Mural.Checkpoints;

namespace Mural.Adapters.Lora;

/// <summary>
/// What PEFT's settings say of scales: a default, and values for layers whose names end in a given way. diffusers keeps them for each network in a file's free text
/// (spec stable-diffusion.md 7.3), PEFT itself for the one network of a file in another file beside it.
/// </summary>
internal sealed class LoraSettings
{
    private const string Entry = "lora_adapter_metadata", FileBeside = "adapter_config.json";

    private readonly JsonElement? _settings;
    private readonly bool _ofOneNetwork;

    private LoraSettings(JsonElement? settings, bool ofOneNetwork)
    {
        _settings = settings;
        _ofOneNetwork = ofOneNetwork;
    }

    /// <exception cref="MuralException">The settings are not JSON, or cannot be read.</exception>
    internal static LoraSettings Read(ITensorSource source)
    {
        if (source.Metadata.TryGetValue(Entry, out string? text)) return Parse(text, $"{source.Path} describes its scales in {Entry}", ofOneNetwork: false);
        string beside = Path.Combine(Path.GetDirectoryName(Path.GetFullPath(source.Path))!, FileBeside);
        if (!source.Tensors.Keys.Any(name => name.StartsWith(LoraKeys.PeftPrefix, StringComparison.Ordinal)) || !File.Exists(beside)) return new LoraSettings(null, ofOneNetwork: true);
        try
        {
            return Parse(File.ReadAllText(beside), $"{source.Path} has its scales in {beside}", ofOneNetwork: true);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new MuralException($"{beside}, which belongs to {source.Path}, cannot be read ({error.Message.TrimEnd('.')}); check the file and its permissions.", error);
        }
    }

    /// <summary>α of a layer of some rank, or null where nothing is said.</summary>
    internal double? Alpha(string layer, long rank)
    {
        // As long as a layer's name has its network in front, or 0.
        int start = _ofOneNetwork ? 0 : layer.IndexOf('.', StringComparison.Ordinal) + 1;
        if (_settings is not { } settings || (start == 0 && !_ofOneNetwork)) return null;
        string network = layer[..start], path = layer[start..];
        double? alpha = Pattern(settings, network + "alpha_pattern", path)
            ?? (settings.TryGetProperty(network + "lora_alpha", out JsonElement general) ? Number(general) : null);
        // Rank-stabilised LoRA: α / √r.
        bool stabilised = settings.TryGetProperty(network + "use_rslora", out JsonElement flag) && flag.ValueKind == JsonValueKind.True;
        return stabilised ? alpha * Math.Sqrt(rank) : alpha;
    }

    private static LoraSettings Parse(string text, string where, bool ofOneNetwork)
    {
        try
        {
            using JsonDocument json = JsonDocument.Parse(text);
            return new LoraSettings(json.RootElement.ValueKind == JsonValueKind.Object ? json.RootElement.Clone() : null, ofOneNetwork);
        }
        catch (JsonException error)
        {
            throw new MuralException($"{where}, which is not valid JSON; the file is damaged.", error);
        }
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
