using System.Globalization;
using Mural.Checkpoints;

namespace Mural.LinFusion;

/// <summary>Recognises a LinFusion checkpoint by its tensors, and says what it is for.</summary>
internal static class LinFusionSummary
{
    // Tensors of the first entry of each kind; the more particular come first. Attentions with φ have the same tensors, normalised or not.
    private static readonly (string Tensor, LinearMixer Mixer)[] Kinds =
    [
        ("0.forward_mixer.A_log", LinearMixer.BidirectionalMamba),
        ("0.backward_scan.A_log", LinearMixer.BidirectionalMamba2),
        ("0.scan.A_log", LinearMixer.Mamba2),
        ("0.gk_proj.1.weight", LinearMixer.GatedLinearAttention),
        ("0.to_q.weight", LinearMixer.LinFusion),
    ];

    /// <summary>One line, or null for other checkpoints.</summary>
    /// <exception cref="MuralException">The attentions lack the projections that tell how wide they are.</exception>
    internal static string? Describe(ITensorSource source)
    {
        (string? tensor, LinearMixer mixer) = Kinds.FirstOrDefault(kind => source.Tensors.ContainsKey(kind.Tensor));
        string?[] indices = [.. source.Tensors.Keys.Select(Index).Distinct()];
        if (tensor is null || indices.Contains(null)) return null;
        int[] widths = [.. source.Tensors.Values.Where(IsProjection).Select(entry => (int)entry.Shape[1]).Distinct().Order()];
        if (widths.Length == 0)
            throw new MuralException(
                $"{source.Path} holds attentions of LinFusion, but none with a matrix to_q or in_proj, which tell how wide they are; the file is damaged, or of another kind.");
        LinFusionConfig? config = ConfigBeside(source.Path);
        string channels = widths.Length == 1 ? $"{widths[0]}" : $"{widths[0]} to {widths[^1]}";
        return string.Create(
            CultureInfo.InvariantCulture,
            $"LinFusion{Family(indices.Length, widths, config)}: {indices.Length} attentions of {channels} channels, mixer {EnumNames.Of(config?.Mixer ?? mixer)}");
    }

    private static bool IsProjection(TensorEntry entry) => entry.Shape.Length == 2
        && (entry.Name.EndsWith(".to_q.weight", StringComparison.Ordinal)
            || (entry.Name.EndsWith("_proj.weight", StringComparison.Ordinal) && entry.Name.Contains("in_proj", StringComparison.Ordinal)));

    // Families have other widths or numbers of attentions, or, in the config alone, other heads.
    private static string Family(int count, int[] widths, LinFusionConfig? config) => (count, widths) switch
    {
        (70, [640, 1280]) => " for Stable Diffusion XL",
        (16, [320, 640, 1280]) when config is null => " for Stable Diffusion 1 or 2",
        (16, [320, 640, 1280]) => config.Modules.All(module => module.Heads == 8) ? " for Stable Diffusion 1" : " for Stable Diffusion 2",
        _ => "",
    };

    private static string? Index(string name)
    {
        string first = name[..Math.Max(name.IndexOf('.', StringComparison.Ordinal), 0)];
        return first.Length > 0 && first.All(char.IsAsciiDigit) ? first : null;
    }

    private static LinFusionConfig? ConfigBeside(string path)
    {
        string file = Path.Combine(Path.GetDirectoryName(Path.GetFullPath(path))!, ModelFolder.ConfigName);
        if (!File.Exists(file)) return null;
        try
        {
            return LinFusionConfig.Read(file);
        }
        catch (MuralException)
        {
            // Somebody else's: the tensors speak for themselves.
            return null;
        }
    }
}
