using System.Globalization;
using System.Text.RegularExpressions;
using Mural.Pipelines;

namespace Mural.Cli.Painting;

/// <summary>The LoRAs of a run: those of <c>--lora</c>, and those that the prompt names as other programs let it, <c>&lt;lora:NAME:0.8&gt;</c>.</summary>
/// <param name="Loras">The LoRAs.</param>
/// <param name="Prompt">The prompt for the model, which does not know of them.</param>
/// <param name="Text">The prompt for the picture's text, which names them all.</param>
internal sealed partial record LoraArguments(IReadOnlyList<StableDiffusionLora> Loras, string Prompt, string Text)
{
    private static readonly string[] Extensions = [".safetensors", ".pt", ".ckpt", ".bin"];

    /// <summary>Reads both. A LoRA that is named several times counts as often; tags of the prompt give way to an option of the same name.</summary>
    /// <param name="options">Values of <c>--lora</c>: a file or a name, and perhaps a weight, <c>style:0.8</c>.</param>
    /// <param name="prompt">The prompt.</param>
    /// <exception cref="MuralException">A weight is no number, or there is no such LoRA.</exception>
    internal static LoraArguments Parse(IReadOnlyList<string> options, string prompt)
    {
        StableDiffusionLora[] given = [.. options.Select(ParseOption)];
        string tags = string.Concat(given.Select(lora => string.Create(CultureInfo.InvariantCulture, $" <lora:{NameOf(lora.Path)}:{lora.Weight}>")));
        var names = given.Select(lora => NameOf(lora.Path)).ToHashSet(StringComparer.OrdinalIgnoreCase);
        string own = Tag().Replace(prompt, match => names.Contains(match.Groups["name"].Value) ? "" : match.Value).Trim();
        string plain = Tag().Replace(own, "").Trim();
        if (OtherTag().Match(plain) is { Success: true, Value: var other })
            throw new MuralException($"The prompt has {other}, a tag for other programs that is not understood here: a LoRA is <lora:NAME:WEIGHT>; take it out or change it.");
        return new LoraArguments([.. given, .. Tag().Matches(own).Select(ParseTag)], plain, (own + tags).Trim());
    }

    private static StableDiffusionLora ParseTag(Match tag)
    {
        double[] weights = [.. tag.Groups["weight"].Captures.Select(capture => Number(capture.Value, tag.Value))];
        // With two weights the first is the text encoders'.
        return new StableDiffusionLora(Find(tag.Groups["name"].Value), weights.LastOrDefault(1), weights.Length > 1 ? weights[0] : null);
    }

    private static StableDiffusionLora ParseOption(string option)
    {
        if (File.Exists(option)) return new StableDiffusionLora(option);
        int colon = option.LastIndexOf(':');
        return colon > 0 ? new StableDiffusionLora(Find(option[..colon]), Number(option[(colon + 1)..], "--lora " + option)) : new StableDiffusionLora(Find(option));
    }

    private static string Find(string pathOrName)
    {
        if (File.Exists(pathOrName)) return pathOrName;
        IEnumerable<string> folders = ModelCatalog.OwnRoots().Where(Directory.Exists)
            .SelectMany(root => Directory.GetDirectories(root).Order(StringComparer.Ordinal).Prepend(root));
        return folders.SelectMany(folder => Extensions.Select(extension => Path.Combine(folder, pathOrName + extension))).FirstOrDefault(File.Exists)
            ?? throw new MuralException($"There is no LoRA {pathOrName}: give the path of its file, or put it into a folder that {ModelCatalog.Variable} names.");
    }

    private static double Number(string text, string whole) =>
        double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double number) && double.IsFinite(number)
            ? number : throw new MuralException($"{whole} has the weight '{text}', which is not a number; give one such as 0.8.");

    private static string NameOf(string path) => Path.GetFileNameWithoutExtension(path);

    [GeneratedRegex(@"<\w+:[^<>]+>")]
    private static partial Regex OtherTag();

    [GeneratedRegex(@"<(lora|lyco):(?<name>[^:<>]+)(:(?<weight>[^:<>]*)){0,2}>")]
    private static partial Regex Tag();
}
