using System.Text.RegularExpressions;

namespace Mural.Adapters.Lora;

/// <summary>Which part of a layer's change a tensor is.</summary>
internal enum LoraPart
{
    /// <summary>The factor that reads the input.</summary>
    Down,

    /// <summary>The factor that makes the output.</summary>
    Up,

    /// <summary>The core between them.</summary>
    Middle,

    /// <summary>The numerator of the scale.</summary>
    Alpha,
}

/// <summary>Reads the names that LoRA files give to their tensors: those of kohya's trainer, of PEFT, and of diffusers' older attention processors.</summary>
internal static partial class LoraKeys
{
    /// <summary>Beginning of the names in files that PEFT itself has written.</summary>
    internal const string PeftPrefix = "base_model.model.";

    /// <summary>The layer and the part; null for a tensor of another kind.</summary>
    internal static (string Layer, LoraPart Part)? Parse(string name)
    {
        if (OldAttention().Match(name) is { Success: true } old)
            return ($"{old.Groups["attention"].Value}.{Product(old.Groups["attention"].Value, old.Groups["product"].Value)}", PartOf(old.Groups["part"].Value));
        if (Layer().Match(name) is not { Success: true } match) return null;
        return (match.Groups["layer"].Value, PartOf(match.Groups["part"].Value));
    }

    private static LoraPart PartOf(string text) => text switch
    {
        "alpha" => LoraPart.Alpha,
        "lora_mid.weight" => LoraPart.Middle,
        // What PEFT puts behind these is a name that somebody chose.
        _ when text.StartsWith("lora_A", StringComparison.Ordinal) => LoraPart.Down,
        _ when text.StartsWith("lora_B", StringComparison.Ordinal) => LoraPart.Up,
        _ => text.Contains("down", StringComparison.Ordinal) ? LoraPart.Down : LoraPart.Up,
    };

    // Text encoders and UNets name the same products differently.
    private static string Product(string attention, string product) => (attention.EndsWith("self_attn", StringComparison.Ordinal), product) switch
    {
        (true, "to_out") => "out_proj",
        (true, _) => product["to_".Length..] + "_proj",
        (false, "to_out") => "to_out.0",
        _ => product,
    };

    [GeneratedRegex(@"^(base_model\.model\.)?(?<attention>.+?)(\.processor)?\.(?<product>to_q|to_k|to_v|to_out)_lora\.(?<part>down|up)\.weight$")]
    private static partial Regex OldAttention();

    [GeneratedRegex(@"^(base_model\.model\.)?(?<layer>.+?)\.(?<part>alpha|lora_mid\.weight|(lora_down|lora_up|lora\.down|lora\.up|lora_linear_layer\.down|lora_linear_layer\.up|lora_[AB](\.[^.]+)?)\.weight)$")]
    private static partial Regex Layer();
}
