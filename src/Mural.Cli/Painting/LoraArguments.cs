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

    /// <summary>Reads both.</summary>
    /// <param name="options">Values of <c>--lora</c>: a file or a name, and perhaps a weight, <c>style:0.8</c>.</param>
    /// <param name="prompt">The prompt.</param>
    /// <exception cref="MuralException">A weight is no number, or there is no such LoRA.</exception>
    internal static LoraArguments Parse(IReadOnlyList<string> options, string prompt)
    {
        var loras = new Dictionary<string, StableDiffusionLora>(StringComparer.OrdinalIgnoreCase);
        foreach (string option in options)
        {
            StableDiffusionLora lora = ParseOption(option);
            loras[NameOf(lora.Path)] = lora;
        }
        string tags = string.Concat(loras.Select(lora => string.Create(CultureInfo.InvariantCulture, $" <lora:{lora.Key}:{lora.Value.Weight}>")));
        string own = Tag().Replace(prompt, match => loras.ContainsKey(match.Groups["name"].Value) ? "" : match.Value).Trim();
        foreach (Match match in Tag().Matches(own))
        {
            double[] weights = [.. match.Groups["weight"].Captures.Select(capture => Number(capture.Value, match.Value))];
            // With two weights the first is the text encoders'.
            loras[match.Groups["name"].Value] = new StableDiffusionLora(Find(match.Groups["name"].Value), weights.LastOrDefault(1), weights.Length > 1 ? weights[0] : null);
        }
        return new LoraArguments([.. loras.Values], Tag().Replace(own, "").Trim(), (own + tags).Trim());
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
        IEnumerable<string> folders = ModelCatalog.OwnRoots().Where(Directory.Exists).SelectMany(root => Directory.GetDirectories(root).Order(StringComparer.Ordinal).Prepend(root));
        return folders.SelectMany(folder => Extensions.Select(extension => Path.Combine(folder, pathOrName + extension))).FirstOrDefault(File.Exists)
            ?? throw new MuralException($"There is no LoRA {pathOrName}: give the path of its file, or put it into a folder that {ModelCatalog.Variable} names.");
    }

    private static double Number(string text, string whole) =>
        double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double number) && double.IsFinite(number)
            ? number : throw new MuralException($"{whole} has the weight '{text}', which is not a number; give one such as 0.8.");

    private static string NameOf(string path) => Path.GetFileNameWithoutExtension(path);

    [GeneratedRegex(@"<lora:(?<name>[^:<>]+)(:(?<weight>[^:<>]*)){0,2}>")]
    private static partial Regex Tag();
}
