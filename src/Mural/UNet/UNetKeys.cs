using System.Text.RegularExpressions;

namespace Mural.UNet;

/// <summary>Gives today's diffusers names to the tensors of UNets and ControlNets that older programs wrote (spec 2.8).</summary>
internal static partial class UNetKeys
{
    internal static string Current(string stored) =>
        OldAttention().Replace(stored, match => match.Groups["attention"].Value + match.Groups["part"].Value switch
        {
            "query" => "to_q",
            "key" => "to_k",
            "value" => "to_v",
            _ => "to_out.0",
        } + match.Groups["kind"].Value);

    [GeneratedRegex(@"(?<attention>\.attn[12]\.)(?<part>query|key|value|proj_attn|to_out)(?<kind>\.(?:weight|bias))$")]
    private static partial Regex OldAttention();
}
