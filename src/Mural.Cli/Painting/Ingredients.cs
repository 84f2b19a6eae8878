using System.Globalization;
using Mural.Checkpoints;
using Mural.Imaging;
using Mural.Pipelines;

namespace Mural.Cli.Painting;

/// <summary>
/// What a picture was painted with beside its model and its settings. The picture's text names it, but cannot tell where it lies: whoever repeats the picture gives it again.
/// </summary>
internal static class Ingredients
{
    private const string Autoencoder = "VAE", Mask = "Mask", ControlNet = "ControlNet", IpAdapter = "IP-Adapter", TextualInversion = "Textual inversion", Prediction = "Prediction";

    // How the text names them, how a sentence does, and the option that gives them.
    private static readonly (string Key, string What, string Option)[] Known =
    [
        (StableDiffusionParameters.LinFusion, "linear attention", "--linfusion"), (StableDiffusionParameters.Refiner, "refiner", "--refiner"),
        (Autoencoder, "autoencoder", "--vae"),
        (Mask, "mask", "--mask"), (ControlNet, "ControlNet", "--control"), (IpAdapter, "IP-Adapter", "--ip-adapter"), (TextualInversion, "textual inversion", "--embedding"),
        (Prediction, "prediction", "--prediction"),
    ];

    private const string TextualInversions = "TI hashes", Larger = "Hires";

    // What the webui writes of settings that Mural lacks, and the value that changes nothing.
    private static readonly (string Key, string? Usual)[] Lacking =
    [
        ("ENSD", "0"), ("Emphasis", "Original"), ("Variation seed strength", "0"), ("Seed resize from", "-1x-1"), ("Hypernet", null), ("Face restoration", null),
        ("ADetailer model", "None"), ("Tiling", "False"), ("Token merging ratio", "0"), ("NGMS", "0"), ("Skip Early CFG", "0"),
        ("Schedule min sigma", "0"), ("Schedule max sigma", "0"),
        ("Schedule rho", "0"), ("Sigma churn", "0"), ("SGM noise multiplier", "False"), ("Masked content", "original"), ("VAE Decoder", "Full"),
    ];

    /// <summary>The settings that name them. Of files only the names are told.</summary>
    internal static IReadOnlyList<KeyValuePair<string, string>> Of(
        string? autoencoder, string? mask, string? prediction,
        IEnumerable<string> textualInversions, IEnumerable<ControlArgument> controls, IEnumerable<PicturePromptArgument> picturePrompts)
    {
        static IEnumerable<KeyValuePair<string, string>> Each(string key, IEnumerable<string?> values) => values.OfType<string>().Select(value => KeyValuePair.Create(key, value));
        static IEnumerable<KeyValuePair<string, string>> Numbered(string key, IEnumerable<string> values) => values.Select((value, i) => KeyValuePair.Create($"{key} {i}", value));
        return
        [
            .. Each(Autoencoder, [NameOf(autoencoder)]),
            .. Each(Mask, [NameOf(mask)]),
            .. Each(Prediction, [prediction]),
            .. Numbered(TextualInversion, textualInversions.Select(file => NameOf(file)!)),
            .. Numbered(ControlNet, controls.Select(control => string.Create(
                CultureInfo.InvariantCulture,
                $"Model: {NameOf(control.Type)}, Image: {NameOf(control.Image)}, Weight: {control.Scale}, "
                    + $"Guidance Start: {control.Start}, Guidance End: {control.End}{(control.Guess ? ", Guess: true" : "")}"))),
            .. Numbered(IpAdapter, picturePrompts.Select(prompt => string.Create(
                CultureInfo.InvariantCulture,
                $"Model: {NameOf(prompt.Model)}, Image: {NameOf(prompt.Image)}, Weight: {prompt.Scale}"))),
        ];
    }

    /// <summary>Sentences about those that a picture was painted with and that are not given again.</summary>
    /// <param name="painted">What the picture's text says.</param>
    /// <param name="given">Whether an option was given.</param>
    internal static IEnumerable<string> Missing(GenerationParameters painted, Func<string, bool> given)
    {
        foreach ((string key, string what, string option) in Known.Where(known => !given(known.Option)))
            foreach ((_, string value) in painted.Others.Where(other => Names(other.Key, key)))
                yield return $"The picture was painted with the {what} {Quote.Name(value)}, without which it will be another: give that again with {option}.";
        if (SharedParameters.Find(painted, TextualInversions) is { } words && !given("--embedding"))
            yield return $"The picture was painted with the textual inversions {Quote.Name(words)}, without which it will be another: give their files with --embedding.";
        foreach ((string key, string value) in painted.Others.Where(other => Lacking.Any(setting => setting.Key == other.Key && setting.Usual != other.Value)))
            yield return $"The picture was painted with the setting {key} of {Quote.Name(value)}, which Mural does not have, so that it will be another.";
        // Other programs enlarge a picture of their own in a second run, and tell that run's strength.
        KeyValuePair<string, string>[] larger = [.. painted.Others.Where(other => other.Key.StartsWith(Larger, StringComparison.Ordinal))];
        bool enlarged = larger.Length > 0;
        if (enlarged && !given("--upscale-to"))
            yield return $"The picture was enlarged in a second run "
                + $"({string.Join(", ", larger.Select(setting => $"{setting.Key} {Quote.Name(setting.Value)}"))}), and is painted small: enlarge it with --upscale-to.";
        if (painted.DenoisingStrength is { } strength && !enlarged && !given("--init-image"))
            yield return string.Create(CultureInfo.InvariantCulture,
                $"The picture was painted over another one, with a strength of {strength}, without which it will be another: give that one with --init-image.");
    }

    // Of what there may be several, the key has a number.
    private static bool Names(string setting, string key) =>
        setting == key || (setting.StartsWith(key + " ", StringComparison.Ordinal) && setting[(key.Length + 1)..].All(char.IsAsciiDigit));

    private static string? NameOf(string? path) => path is null ? null : Path.GetFileName(Path.TrimEndingDirectorySeparator(path));
}
