using System.Globalization;

namespace Mural.HiDiffusion;

/// <summary>The words for <see cref="HiDiffusionOptions"/>, on the command line and in what a picture's file says of its making.</summary>
internal static class HiDiffusionWords
{
    private const string First = "T1", Second = "T2", Aggressive = "aggressive", NoRauNet = "no-raunet", NoWindows = "no-window-attention",
        EarlierUpsampler = "earlier-upsampler", ResizedMaps = "resized-odd-maps";

    private static readonly Dictionary<HiDiffusionPreset, string> Presets = new()
    {
        [HiDiffusionPreset.Automatic] = "auto",
        [HiDiffusionPreset.Sides1024] = "1024",
        [HiDiffusionPreset.Sides2048] = "2048",
        [HiDiffusionPreset.Sides4096] = "4096",
        [HiDiffusionPreset.FewSteps] = "turbo",
    };

    /// <summary>The presets' names.</summary>
    internal static IReadOnlyList<string> PresetNames => [.. Presets.Values];

    internal static string NameOf(HiDiffusionPreset preset) => Presets[preset];

    /// <summary>The preset of that name, or null where there is none.</summary>
    internal static HiDiffusionPreset? Preset(string name) =>
        Presets.Where(entry => entry.Value == name).Select(entry => (HiDiffusionPreset?)entry.Key).FirstOrDefault();

    /// <summary>The preset's name, and a word for whatever is not as it says.</summary>
    internal static string Write(HiDiffusionOptions options)
    {
        string Share(string name, double? value) => value is null ? "" : string.Create(CultureInfo.InvariantCulture, $"{name}={value}");
        string[] words =
        [
            NameOf(options.Preset), Share(First, options.T1), Share(Second, options.T2),
            options.Aggressive switch { null => "", true => $"{Aggressive}=true", false => $"{Aggressive}=false" },
            options.RauNet ? "" : NoRauNet, options.WindowAttention ? "" : NoWindows, options.EarlierUpsampler ? EarlierUpsampler : "", options.ResizeOddMaps ? ResizedMaps : "",
        ];
        return string.Join(' ', words.Where(word => word.Length > 0));
    }

    /// <summary>The options that <see cref="Write"/> wrote; words that are not known are passed over.</summary>
    internal static HiDiffusionOptions Read(string text)
    {
        var options = new HiDiffusionOptions();
        foreach (string[] word in text.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(word => word.Split('=', 2)))
        {
            double? share = double.TryParse(word[^1], NumberStyles.Float, CultureInfo.InvariantCulture, out double value) ? value : null;
            options = word[0] switch
            {
                First => options with { T1 = share },
                Second => options with { T2 = share },
                Aggressive => options with { Aggressive = word[^1] == "true" },
                NoRauNet => options with { RauNet = false },
                NoWindows => options with { WindowAttention = false },
                EarlierUpsampler => options with { EarlierUpsampler = true },
                ResizedMaps => options with { ResizeOddMaps = true },
                _ => options with { Preset = Preset(word[0]) ?? options.Preset },
            };
        }
        return options;
    }
}
