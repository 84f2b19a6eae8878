using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using Mural.Checkpoints;

namespace Mural.Adapters.Lora;

/// <summary>
/// What PEFT's settings say of scales: a default, and values for layers whose names end as a regular expression says. diffusers keeps them for each network
/// in a file's free text (spec stable-diffusion.md 7.3), PEFT itself for the one network of a file in another file beside it.
/// </summary>
internal sealed class LoraSettings
{
    private const string Entry = "lora_adapter_metadata", FileBeside = "adapter_config.json";

    // A file may bring any expression, also one that backtracks without end.
    private static readonly TimeSpan LongestMatch = TimeSpan.FromSeconds(1);

    private readonly JsonElement? _settings;
    private readonly string _where;
    private readonly bool _ofOneNetwork;
    private readonly Dictionary<string, Regex> _expressions = [];

    private LoraSettings(JsonElement? settings, string where, bool ofOneNetwork)
    {
        _settings = settings;
        _where = where;
        _ofOneNetwork = ofOneNetwork;
    }

    /// <exception cref="MuralException">The settings are not JSON, or cannot be read.</exception>
    internal static LoraSettings Read(ITensorSource source)
    {
        if (source.Metadata.TryGetValue(Entry, out string? text)) return Parse(text, $"{source.Path} describes its scales in {Entry}", ofOneNetwork: false);
        string beside = Path.Combine(Path.GetDirectoryName(Path.GetFullPath(source.Path))!, FileBeside);
        if (!source.Tensors.Keys.Any(name => name.StartsWith(LoraKeys.PeftPrefix, StringComparison.Ordinal)) || !File.Exists(beside))
            return new LoraSettings(null, beside, ofOneNetwork: true);
        return Parse(TextFile.Read(beside, source.Path), $"{source.Path} has its scales in {beside}", ofOneNetwork: true);
    }

    /// <summary>α of a layer of some rank, or null where nothing is said.</summary>
    /// <exception cref="MuralException">A pattern is no regular expression.</exception>
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
            return new LoraSettings(json.RootElement.ValueKind == JsonValueKind.Object ? json.RootElement.Clone() : null, where, ofOneNetwork);
        }
        catch (JsonException error)
        {
            throw new MuralException($"{where}, which is not valid JSON; the file is damaged.", error);
        }
    }

    private double? Pattern(JsonElement settings, string key, string path)
    {
        if (!settings.TryGetProperty(key, out JsonElement patterns) || patterns.ValueKind != JsonValueKind.Object) return null;
        foreach (JsonProperty pattern in patterns.EnumerateObject())
            if (Matches(pattern.Name, path)) return Number(pattern.Value);
        return null;
    }

    // As in PEFT, whose names are matched from their start or from behind a point to their end; the first pattern that fits holds.
    private bool Matches(string pattern, string path) => pattern.All(IsPlain) ? EndsWith(path, pattern) : FitsExpression(pattern, path);

    private static bool IsPlain(char character) => char.IsAsciiLetterOrDigit(character) || character is '_' or '-' or '.';

    // What most patterns are, of which diffusers writes one for every layer: names, whose points stand for any character.
    private static bool EndsWith(string path, string pattern)
    {
        int start = path.Length - pattern.Length;
        if (start < 0 || (start > 0 && path[start - 1] != '.')) return false;
        for (int i = 0; i < pattern.Length; i++)
            if (pattern[i] != '.' && pattern[i] != path[start + i]) return false;
        return true;
    }

    private bool FitsExpression(string pattern, string path)
    {
        try
        {
            if (!_expressions.TryGetValue(pattern, out Regex? expression))
                _expressions.Add(pattern, expression = new Regex($"^(.*\\.)?({pattern})$", RegexOptions.CultureInvariant, LongestMatch));
            return expression.IsMatch(path);
        }
        catch (Exception error) when (error is ArgumentException or RegexMatchTimeoutException)
        {
            throw new MuralException($"{_where} with the pattern {Quote.Name(pattern)}, which cannot be used as a regular expression; correct it.", error);
        }
    }

    private static double? Number(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Number => value.GetDouble(),
        JsonValueKind.String when double.TryParse(value.GetString(), NumberStyles.Float, CultureInfo.InvariantCulture, out double number) => number,
        _ => null,
    };
}
