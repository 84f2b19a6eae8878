using System.Text.RegularExpressions;

namespace Mural.Checkpoints.SingleFile;

/// <summary>The tensors of a CLIP text encoder under OpenCLIP's names and under those of today's folders (spec stable-diffusion.md 8.4).</summary>
internal static partial class OpenClipNames
{
    private static readonly NamePairs Outer = new(
        ("token_embedding.", "text_model.embeddings.token_embedding."),
        ("ln_final.", "text_model.final_layer_norm."));

    private static readonly NamePairs Inner = new(
        ("ln_1.", "layer_norm1."),
        ("ln_2.", "layer_norm2."),
        ("attn.out_proj.", "self_attn.out_proj."),
        ("mlp.c_fc.", "mlp.fc1."),
        ("mlp.c_proj.", "mlp.fc2."));

    private static readonly string[] Projections = ["q_proj", "k_proj", "v_proj"];

    /// <summary>Names and transforms of what an OpenCLIP tensor holds; empty where it is not part of the text encoder.</summary>
    internal static IReadOnlyList<(string Name, TensorTransform Transform)> ToDiffusers(string name)
    {
        switch (name)
        {
            case "positional_embedding": return [("text_model.embeddings.position_embedding.weight", TensorTransform.Same)];
            // The name tells the layout: a linear layer's weight is stored the other way round than OpenCLIP's matrix.
            case "text_projection": return [("text_projection.weight", TensorTransform.Transpose)];
            case "text_projection.weight": return [(name, TensorTransform.Same)];
        }
        if (Outer.ToDiffusers(name) is { } outer) return [(outer, TensorTransform.Same)];
        if (Block().Match(name) is not { Success: true } match) return [];
        string layer = $"text_model.encoder.layers.{match.Groups[1].Value}.", rest = match.Groups[2].Value;
        if (rest is "attn.in_proj_weight" or "attn.in_proj_bias")
        {
            string kind = rest["attn.in_proj_".Length..];
            return [.. Projections.Zip(TensorTransforms.Thirds, (projection, third) => ($"{layer}self_attn.{projection}.{kind}", third))];
        }
        return Inner.ToDiffusers(rest) is { } inner ? [(layer + inner, TensorTransform.Same)] : [];
    }

    /// <summary>OpenCLIP's name of a tensor, and what makes the tensor out of OpenCLIP's; null where there is none.</summary>
    internal static (string Name, TensorTransform Transform)? ToOriginal(string name)
    {
        switch (name)
        {
            case "text_model.embeddings.position_embedding.weight": return ("positional_embedding", TensorTransform.Same);
            case "text_projection.weight": return ("text_projection", TensorTransform.Transpose);
        }
        if (Outer.ToOriginal(name) is { } outer) return (outer, TensorTransform.Same);
        if (Layer().Match(name) is not { Success: true } match) return null;
        string block = $"transformer.resblocks.{match.Groups[1].Value}.", rest = match.Groups[2].Value;
        if (Projection().Match(rest) is { Success: true } projection)
            return ($"{block}attn.in_proj_{projection.Groups[2].Value}", TensorTransforms.Thirds[Array.IndexOf(Projections, projection.Groups[1].Value)]);
        return Inner.ToOriginal(rest) is { } inner ? (block + inner, TensorTransform.Same) : null;
    }

    /// <summary>The number of the block that a tensor belongs to; null for the others.</summary>
    internal static int? BlockOf(string name) => Block().Match(name) is { Success: true } match && int.TryParse(match.Groups[1].ValueSpan, out int number) ? number : null;

    [GeneratedRegex(@"^transformer\.resblocks\.(\d{1,4})\.(.+)$")]
    private static partial Regex Block();

    [GeneratedRegex(@"^text_model\.encoder\.layers\.(\d{1,4})\.(.+)$")]
    private static partial Regex Layer();

    [GeneratedRegex(@"^self_attn\.([qkv]_proj)\.(weight|bias)$")]
    private static partial Regex Projection();
}
