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

    /// <summary>LoHa's first matrix: the factor that makes the output.</summary>
    HadamardA1,

    /// <summary>LoHa's first matrix: the factor that reads the input.</summary>
    HadamardB1,

    /// <summary>LoHa's first matrix: the core between them.</summary>
    HadamardCore1,

    /// <summary>LoHa's second matrix: the factor that makes the output.</summary>
    HadamardA2,

    /// <summary>LoHa's second matrix: the factor that reads the input.</summary>
    HadamardB2,

    /// <summary>LoHa's second matrix: the core between them.</summary>
    HadamardCore2,

    /// <summary>LoKr's first matrix.</summary>
    Kronecker1,

    /// <summary>LoKr's first matrix: the factor that makes the output.</summary>
    KroneckerA1,

    /// <summary>LoKr's first matrix: the factor that reads the input.</summary>
    KroneckerB1,

    /// <summary>LoKr's second matrix.</summary>
    Kronecker2,

    /// <summary>LoKr's second matrix: the factor that makes the output.</summary>
    KroneckerA2,

    /// <summary>LoKr's second matrix: the factor that reads the input.</summary>
    KroneckerB2,

    /// <summary>LoKr's second matrix: the core between them.</summary>
    KroneckerCore2,
}

/// <summary>Reads the names that LoRA files give to their tensors: those of kohya's trainer, of LyCORIS, of PEFT, and of diffusers' older attention processors.</summary>
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
        "hada_w1_a" => LoraPart.HadamardA1,
        "hada_w1_b" => LoraPart.HadamardB1,
        "hada_t1" => LoraPart.HadamardCore1,
        "hada_w2_a" => LoraPart.HadamardA2,
        "hada_w2_b" => LoraPart.HadamardB2,
        "hada_t2" => LoraPart.HadamardCore2,
        "lokr_w1" => LoraPart.Kronecker1,
        "lokr_w1_a" => LoraPart.KroneckerA1,
        "lokr_w1_b" => LoraPart.KroneckerB1,
        "lokr_w2" => LoraPart.Kronecker2,
        "lokr_w2_a" => LoraPart.KroneckerA2,
        "lokr_w2_b" => LoraPart.KroneckerB2,
        "lokr_t2" => LoraPart.KroneckerCore2,
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

    [GeneratedRegex(
        @"^(base_model\.model\.)?(?<layer>.+?)\.(?<part>alpha|lora_mid\.weight|hada_w[12]_[ab]|hada_t[12]|lokr_w[12](_[ab])?|lokr_t2"
        + @"|(lora_down|lora_up|lora\.down|lora\.up|lora_linear_layer\.down|lora_linear_layer\.up|lora_[AB](\.[^.]+)?)\.weight)$")]
    private static partial Regex Layer();
}
