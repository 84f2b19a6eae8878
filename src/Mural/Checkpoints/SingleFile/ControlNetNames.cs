using System.Globalization;
using System.Text.RegularExpressions;

namespace Mural.Checkpoints.SingleFile;

/// <summary>
/// The tensors of a ControlNet in the original layout under diffusers' names: those that it shares with a UNet, the convolutions on the picture, and those that lead out
/// (spec stable-diffusion.md 7.1).
/// </summary>
internal sealed partial class ControlNetNames
{
    /// <summary>What all names of the original layout begin with, unless a program has taken it off.</summary>
    internal const string Prefix = "control_model.";

    /// <summary>Beginning of the names, after the prefix, of the convolutions on the picture.</summary>
    internal const string Hint = "input_hint_block.";

    private readonly UNetNames _unet;
    private readonly int _lastHint;

    /// <param name="names">The names without the prefix.</param>
    internal ControlNetNames(IReadOnlyCollection<string> names)
    {
        _unet = UNetNames.OfOriginal(names);
        _lastHint = names.Select(name => HintLayer().Match(name)).Where(match => match.Success).Select(match => Number(match)).DefaultIfEmpty(0).Max();
    }

    /// <summary>Today's name of an original tensor, without the prefix; null where it is none of a ControlNet's.</summary>
    internal string? ToDiffusers(string name)
    {
        if (HintLayer().Match(name) is { Success: true } hint)
        {
            // SiLUs stand between the convolutions and are counted too.
            int layer = Number(hint) / 2, last = _lastHint / 2;
            return $"controlnet_cond_embedding.{(layer == 0 ? "conv_in" : layer == last ? "conv_out" : $"blocks.{layer - 1}")}.{hint.Groups["rest"].Value}";
        }
        if (Way().Match(name) is { Success: true } way) return $"controlnet_down_blocks.{Number(way)}.{way.Groups["rest"].Value}";
        return Middle().Match(name) is { Success: true } middle ? $"controlnet_mid_block.{middle.Groups["rest"].Value}" : _unet.ToDiffusers(name);
    }

    private static int Number(Match match) => int.Parse(match.Groups["number"].ValueSpan, NumberStyles.None, CultureInfo.InvariantCulture);

    [GeneratedRegex(@"^input_hint_block\.(?<number>\d{1,4})\.(?<rest>.+)$")]
    private static partial Regex HintLayer();

    [GeneratedRegex(@"^zero_convs\.(?<number>\d{1,4})\.0\.(?<rest>.+)$")]
    private static partial Regex Way();

    [GeneratedRegex(@"^middle_block_out\.0\.(?<rest>.+)$")]
    private static partial Regex Middle();
}
