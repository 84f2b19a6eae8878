using System.Globalization;
using System.Text.RegularExpressions;

namespace Mural.Checkpoints.SingleFile;

/// <summary>
/// The tensors of a UNet in the original layout, which numbers the layers from the picture inwards and out again, and in diffusers', which groups them by resolution
/// (spec stable-diffusion.md 8.2).
/// </summary>
internal sealed partial class UNetNames
{
    private const string Input = "input_blocks.", Output = "output_blocks.", Upsampler = "conv.";

    private static readonly NamePairs Outer = new(
        ("time_embed.0.", "time_embedding.linear_1."),
        ("time_embed.2.", "time_embedding.linear_2."),
        ("time_embed.cond_proj.", "time_embedding.cond_proj."),
        ("label_emb.0.0.", "add_embedding.linear_1."),
        ("label_emb.0.2.", "add_embedding.linear_2."),
        ("input_blocks.0.0.", "conv_in."),
        ("out.0.", "conv_norm_out."),
        ("out.2.", "conv_out."));

    private static readonly NamePairs Resnet = new(
        ("in_layers.0.", "norm1."),
        ("in_layers.2.", "conv1."),
        ("emb_layers.1.", "time_emb_proj."),
        ("out_layers.0.", "norm2."),
        ("out_layers.3.", "conv2."),
        ("skip_connection.", "conv_shortcut."));

    // Layers of one resolution: the residual blocks on the way in with the downsampler, as many as those on the way out.
    private readonly int _layers;
    private readonly HashSet<string> _attended;

    private UNetNames(int layers, IEnumerable<string> attended)
    {
        _layers = layers;
        _attended = [.. attended];
    }

    /// <summary>For a UNet whose tensors have these original names.</summary>
    internal static UNetNames OfOriginal(IEnumerable<string> names)
    {
        int[] downsamplers = [.. names.Select(name => Downsampler().Match(name)).Where(match => match.Success).Select(match => Number(match.Groups[1]))];
        return new UNetNames(downsamplers.Length > 0 ? downsamplers.Min() : 3, []);
    }

    /// <summary>For a UNet whose tensors have these names of diffusers.</summary>
    internal static UNetNames OfDiffusers(IEnumerable<string> names)
    {
        string[] all = [.. names];
        int[] resnets = [.. all.Select(name => FirstResnet().Match(name)).Where(match => match.Success).Select(match => Number(match.Groups[1]))];
        return new UNetNames(
            (resnets.Length > 0 ? resnets.Max() : 1) + 2,
            all.Select(name => AttendedBlock().Match(name)).Where(match => match.Success).Select(match => match.Groups[1].Value));
    }

    /// <summary>Today's name of an original tensor, without the prefix of its file; null where it is none of a UNet's.</summary>
    internal string? ToDiffusers(string name)
    {
        if (Outer.ToDiffusers(name) is { } outer) return outer;
        if (Middle().Match(name) is { Success: true } middle) return Part("mid_block", middle.Groups[1].Value == "1", Number(middle.Groups[1]) / 2, middle.Groups[2].Value);
        if (Block().Match(name) is not { Success: true } match) return null;
        bool down = match.Groups["way"].Value == Input;
        int index = Number(match.Groups["index"]) - (down ? 1 : 0), module = Number(match.Groups["module"]), layer = index % _layers;
        string rest = match.Groups["rest"].Value, block = $"{(down ? "down" : "up")}_blocks.{index / _layers}";
        if (index < 0) return null;
        if (down && layer == _layers - 1) return module == 0 && rest.StartsWith("op.", StringComparison.Ordinal) ? $"{block}.downsamplers.0.conv.{rest[3..]}" : null;
        if (!down && module > 0 && rest.StartsWith(Upsampler, StringComparison.Ordinal)) return $"{block}.upsamplers.0.{rest}";
        return module < 2 ? Part(block, module == 1, layer, rest) : null;
    }

    /// <summary>The original name of a tensor of diffusers; null where the original layout has no place for it.</summary>
    internal string? ToOriginal(string name)
    {
        if (Outer.ToOriginal(name) is { } outer) return outer;
        if (DiffusersBlock().Match(name) is not { Success: true } match) return null;
        string way = match.Groups["way"].Value, part = match.Groups["part"].Value, rest = match.Groups["rest"].Value;
        int layer = Number(match.Groups["layer"]);
        string? inner = part == "resnets" ? Resnet.ToOriginal(rest) : rest;
        if (inner is null) return null;
        if (way == "mid_block") return $"middle_block.{(part == "attentions" ? 1 : 2 * layer)}.{inner}";
        int block = Number(match.Groups["block"]) * _layers;
        return (way, part) switch
        {
            ("down_blocks", "downsamplers") => $"{Input}{block + _layers}.0.op.{rest["conv.".Length..]}",
            ("up_blocks", "upsamplers") => $"{Output}{block + _layers - 1}.{(_attended.Contains(match.Groups["block"].Value) ? 2 : 1)}.{rest}",
            ("down_blocks", _) => $"{Input}{block + layer + 1}.{(part == "attentions" ? 1 : 0)}.{inner}",
            _ => $"{Output}{block + layer}.{(part == "attentions" ? 1 : 0)}.{inner}",
        };
    }

    private static string? Part(string block, bool attention, int layer, string rest)
    {
        if (attention) return $"{block}.attentions.{layer}.{rest}";
        return Resnet.ToDiffusers(rest) is { } inner ? $"{block}.resnets.{layer}.{inner}" : null;
    }

    private static int Number(Group group) => int.Parse(group.ValueSpan, NumberStyles.None, CultureInfo.InvariantCulture);

    [GeneratedRegex(@"^input_blocks\.(\d{1,4})\.0\.op\.")]
    private static partial Regex Downsampler();

    [GeneratedRegex(@"^down_blocks\.0\.resnets\.(\d{1,4})\.")]
    private static partial Regex FirstResnet();

    [GeneratedRegex(@"^up_blocks\.(\d{1,4})\.attentions\.")]
    private static partial Regex AttendedBlock();

    [GeneratedRegex(@"^middle_block\.([012])\.(.+)$")]
    private static partial Regex Middle();

    [GeneratedRegex(@"^(?<way>input_blocks\.|output_blocks\.)(?<index>\d{1,4})\.(?<module>\d{1,4})\.(?<rest>.+)$")]
    private static partial Regex Block();

    [GeneratedRegex(@"^(?<way>down_blocks|mid_block|up_blocks)(\.(?<block>\d{1,4}))?\.(?<part>resnets|attentions|downsamplers|upsamplers)\.(?<layer>\d{1,4})\.(?<rest>.+)$")]
    private static partial Regex DiffusersBlock();
}
