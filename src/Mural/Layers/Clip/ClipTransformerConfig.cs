using System.Text.Json.Nodes;
using Mural.Checkpoints;

namespace Mural.Layers.Clip;

/// <summary>The function between the two linear layers of a block.</summary>
internal enum ClipActivation
{
    /// <summary>x σ(1.702 x), OpenAI's.</summary>
    QuickGelu,

    /// <summary>The exact GELU, by the error function.</summary>
    Gelu,
}

/// <summary>Sizes of a CLIP transformer, for text or pictures (spec 4.1).</summary>
internal sealed record ClipTransformerConfig
{
    /// <summary>Blocks (<c>num_hidden_layers</c>).</summary>
    internal required int Layers { get; init; }

    /// <summary>Features of a token (<c>hidden_size</c>).</summary>
    internal required int Width { get; init; }

    /// <summary>Attention heads; they divide the width (<c>num_attention_heads</c>).</summary>
    internal required int Heads { get; init; }

    /// <summary>Features between the two linear layers of a block (<c>intermediate_size</c>).</summary>
    internal required int Inner { get; init; }

    /// <summary>The function between them (<c>hidden_act</c>).</summary>
    internal required ClipActivation Activation { get; init; }

    /// <summary>Added to the variance in every layer norm (<c>layer_norm_eps</c>).</summary>
    internal double NormEpsilon { get; init; } = 1e-5;

    /// <summary>Reads the keys of a <c>config.json</c>; missing ones are those of <paramref name="missing"/>.</summary>
    /// <exception cref="MuralException">The activation is another, or a value is of another kind.</exception>
    internal static ClipTransformerConfig Read(ConfigReader json, string path, ClipTransformerConfig missing) => new()
    {
        Layers = json.Integer("num_hidden_layers", missing.Layers),
        Width = json.Integer("hidden_size", missing.Width),
        Heads = json.Integer("num_attention_heads", missing.Heads),
        Inner = json.Integer("intermediate_size", missing.Inner),
        NormEpsilon = json.Number("layer_norm_eps", missing.NormEpsilon),
        Activation = json.Text("hidden_act", NameOf(missing.Activation)) switch
        {
            "quick_gelu" => ClipActivation.QuickGelu,
            "gelu" => ClipActivation.Gelu,
            string other => throw new MuralException($"{path} has hidden_act \"{other}\", which is not supported; only \"quick_gelu\" and \"gelu\" are."),
        },
    };

    /// <summary>Adds the keys of a <c>config.json</c>.</summary>
    internal void Write(JsonObject json)
    {
        json["hidden_act"] = NameOf(Activation);
        json["hidden_size"] = Width;
        json["intermediate_size"] = Inner;
        json["layer_norm_eps"] = NormEpsilon;
        json["num_attention_heads"] = Heads;
        json["num_hidden_layers"] = Layers;
    }

    private static string NameOf(ClipActivation activation) => activation == ClipActivation.Gelu ? "gelu" : "quick_gelu";

    /// <exception cref="MuralException">A value is impossible.</exception>
    internal void Validate(string owner)
    {
        foreach ((string name, int value) in new[]
        {
            ("num_hidden_layers", Layers), ("hidden_size", Width), ("num_attention_heads", Heads), ("intermediate_size", Inner),
        })
        {
            if (value < 1) throw new MuralException($"The {owner}'s {name} is {value}; it must be at least 1.");
        }
        if (Width % Heads != 0) throw new MuralException($"The {owner}'s hidden_size of {Width} is not a multiple of its num_attention_heads, {Heads}; change one of them.");
        if (!(NormEpsilon > 0)) throw new MuralException($"The {owner}'s layer_norm_eps is {NormEpsilon}; it must be above 0.");
    }
}
