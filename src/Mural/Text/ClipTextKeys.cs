namespace Mural.Text;

/// <summary>Gives the published names to the tensors of a text encoder of any age (spec 4.1).</summary>
internal static class ClipTextKeys
{
    internal const string Prefix = "text_model.", Projection = "text_projection.";

    // What a whole CLIP model's file holds beside its text encoder.
    private static readonly string[] OtherParts = ["vision_model.", "visual_projection.", "logit_scale"];

    private static readonly string[] Parts = ["embeddings.", "encoder.", "final_layer_norm."];

    /// <summary>The name in <see cref="ClipTextEncoder"/>, or null for what is no part of it.</summary>
    /// <param name="stored">A checkpoint's name; transformers 5.6 and later save encoders without projection under names that lack the prefix.</param>
    /// <param name="projected">Whether the encoder has a projection.</param>
    internal static string? Current(string stored, bool projected)
    {
        // A list of the numbers from 0 to 76, which older versions saved.
        if (stored.EndsWith(".position_ids", StringComparison.Ordinal) || Begins(stored, OtherParts)) return null;
        if (!projected && stored.StartsWith(Projection, StringComparison.Ordinal)) return null;
        return Begins(stored, Parts) ? Prefix + stored : stored;
    }

    private static bool Begins(string name, string[] beginnings) => beginnings.Any(beginning => name.StartsWith(beginning, StringComparison.Ordinal));
}
