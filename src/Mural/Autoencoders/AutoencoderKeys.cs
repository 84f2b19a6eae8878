using System.Text.RegularExpressions;

namespace Mural.Autoencoders;

/// <summary>Gives today's diffusers names to the tensors of older and of single-file autoencoders (spec 3.2 and 8.3).</summary>
internal static partial class AutoencoderKeys
{
    // Where whole single-file models keep their autoencoder.
    private static readonly string[] Prefixes = ["first_stage_model.", "vae."];

    // What the training of a single-file autoencoder leaves in its checkpoint beside the weights.
    private static readonly string[] TrainingState = ["loss.", "model_ema."];

    /// <summary>Gives the name that <see cref="AutoencoderKL"/> registers a tensor of a checkpoint under, or null for one that is no part of the autoencoder.</summary>
    /// <param name="stored">All names in the checkpoint. Where some have the prefix of a whole model's autoencoder, those alone are taken.</param>
    /// <param name="levels">Number of resolutions, because single files count the decoder's from the picture's side.</param>
    internal static Func<string, string?> Renaming(IEnumerable<string> stored, int levels)
    {
        string prefix = Prefixes.FirstOrDefault(prefix => stored.Any(name => name.StartsWith(prefix, StringComparison.Ordinal))) ?? "";
        return name =>
        {
            if (!name.StartsWith(prefix, StringComparison.Ordinal)) return null;
            string own = name[prefix.Length..];
            return TrainingState.Any(part => own.StartsWith(part, StringComparison.Ordinal)) ? null : Current(own, levels);
        };
    }

    /// <summary>The name of a single-file checkpoint for one of today's, without the prefix of a whole model.</summary>
    /// <param name="name">The name that <see cref="AutoencoderKL"/> registers.</param>
    /// <param name="levels">Number of resolutions.</param>
    internal static string ToOriginal(string name, int levels)
    {
        string original = name.Replace(".mid_block.resnets.0.", ".mid.block_1.", StringComparison.Ordinal)
            .Replace(".mid_block.resnets.1.", ".mid.block_2.", StringComparison.Ordinal)
            .Replace(".mid_block.attentions.0.", ".mid.attn_1.", StringComparison.Ordinal)
            .Replace(".conv_shortcut.", ".nin_shortcut.", StringComparison.Ordinal)
            .Replace(".conv_norm_out.", ".norm_out.", StringComparison.Ordinal);
        original = Resolution().Replace(original, match =>
        {
            bool down = match.Groups["way"].Value == "down";
            int level = int.Parse(match.Groups["level"].ValueSpan, System.Globalization.CultureInfo.InvariantCulture);
            string part = match.Groups["part"].Value;
            return $".{match.Groups["way"].Value}.{(down ? level : levels - 1 - level)}.{(part == "resnets." ? "block." : part[..^"rs.0.".Length] + ".")}";
        });
        return MiddleAttention().Replace(original, match => match.Groups[1].Value + match.Groups[2].Value switch
        {
            "group_norm" => "norm",
            "to_out.0" => "proj_out",
            string product => product["to_".Length..],
        });
    }

    private static string Current(string stored, int levels)
    {
        string name = stored.Replace(".mid.block_1.", ".mid_block.resnets.0.", StringComparison.Ordinal)
            .Replace(".mid.block_2.", ".mid_block.resnets.1.", StringComparison.Ordinal)
            .Replace(".mid.attn_1.", ".mid_block.attentions.0.", StringComparison.Ordinal)
            .Replace(".nin_shortcut.", ".conv_shortcut.", StringComparison.Ordinal)
            .Replace(".norm_out.", ".conv_norm_out.", StringComparison.Ordinal);
        name = SingleFileStage().Replace(name, match => Stage(match, levels));
        return AttentionTensor().Replace(name, match => match.Groups[1].Value + AttentionName(match.Groups[2].Value) + match.Groups[3].Value);
    }

    private static string Stage(Match match, int levels)
    {
        bool down = match.Groups["way"].Value == "down";
        if (!int.TryParse(match.Groups["level"].Value, out int level)) return match.Value;
        string stage = down ? $"down_blocks.{level}" : $"up_blocks.{levels - 1 - level}";
        string part = match.Groups["part"].Value;
        return part == "block" ? $".{stage}.resnets." : $".{stage}.{part}rs.0.";
    }

    private static string AttentionName(string part) => part switch
    {
        "norm" => "group_norm",
        "q" or "query" => "to_q",
        "k" or "key" => "to_k",
        "v" or "value" => "to_v",
        "proj_out" or "proj_attn" => "to_out.0",
        _ => part,
    };

    [GeneratedRegex(@"\.(?<way>down|up)\.(?<level>\d+)\.(?<part>block|downsample|upsample)\.")]
    private static partial Regex SingleFileStage();

    [GeneratedRegex(@"\.(?<way>down|up)_blocks\.(?<level>\d{1,4})\.(?<part>resnets\.|downsamplers\.0\.|upsamplers\.0\.)")]
    private static partial Regex Resolution();

    [GeneratedRegex(@"(\.mid\.attn_1\.)(group_norm|to_q|to_k|to_v|to_out\.0)(?=\.)")]
    private static partial Regex MiddleAttention();

    [GeneratedRegex(@"(\.attentions\.\d+\.)(norm|q|k|v|query|key|value|proj_out|proj_attn)(\.(?:weight|bias))$")]
    private static partial Regex AttentionTensor();
}
