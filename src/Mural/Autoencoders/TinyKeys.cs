using System.Globalization;

namespace Mural.Autoencoders;

/// <summary>
/// Gives diffusers' names to the tensors of original TAESD files (spec 3.6), which number the layers of each half from 0 and count the clamp before the decoder
/// as a layer.
/// </summary>
internal static class TinyKeys
{
    private const string Encoder = "encoder", Decoder = "decoder", Layers = "layers";

    /// <summary>The name that <see cref="AutoencoderTiny"/> registers a tensor under, or null for one that is no weight.</summary>
    /// <param name="stored">The name in a file that holds both halves, such as <c>decoder.layers.0.weight</c> or <c>taesd_decoder.1.weight</c>.</param>
    internal static string? Current(string stored)
    {
        string[] parts = stored.Split('.');
        string half = parts[0].StartsWith("taesd_", StringComparison.Ordinal) ? parts[0]["taesd_".Length..] : parts[0];
        if (stored is "vae_scale" or "vae_shift") return null;
        if (half is not (Encoder or Decoder) || parts.Length < 2) return stored;
        return parts[1] == Layers ? stored : OfHalf(string.Join('.', parts[1..]), half == Decoder, half + ".");
    }

    /// <summary>The name within the encoder or the decoder for a name of a file that holds one half, such as <c>1.conv.0.weight</c>.</summary>
    internal static string OfHalf(string stored, bool decoder, string prefix = "")
    {
        string[] parts = stored.Split('.');
        if (!int.TryParse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out int layer)) return prefix + stored;
        parts[0] = (decoder ? layer - 1 : layer).ToString(CultureInfo.InvariantCulture);
        return $"{prefix}{Layers}.{string.Join('.', parts)}";
    }
}
