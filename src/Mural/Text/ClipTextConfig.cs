using System.Text.Json.Nodes;
using Mural.Checkpoints;
using Mural.Layers.Clip;

namespace Mural.Text;

/// <summary>Architecture of a <see cref="ClipTextEncoder"/>, as its <c>config.json</c> states it (spec 1.2, 4.1).</summary>
internal sealed record ClipTextConfig
{
    // What every released file says by mistake.
    private const int LegacyEnd = 2, ClipEnd = 49_407;

    private const string Plain = "CLIPTextModel", Projecting = "CLIPTextModelWithProjection";

    /// <summary>Tokens (<c>vocab_size</c>).</summary>
    internal int VocabularySize { get; init; } = 49_408;

    /// <summary>Positions (<c>max_position_embeddings</c>).</summary>
    internal int Positions { get; init; } = ClipTokenizer.ClipWindow;

    /// <summary>The transformer.</summary>
    internal required ClipTransformerConfig Transformer { get; init; }

    /// <summary>Width of the projected pooled vector, or null for an encoder without projection (<c>projection_dim</c>).</summary>
    internal int? ProjectionSize { get; init; }

    /// <summary>The token whose first place is pooled (<c>eos_token_id</c>).</summary>
    internal int EndToken { get; init; } = ClipEnd;

    /// <summary>The token that a window begins with, or null where nobody says it (<c>bos_token_id</c>): only other programs ask.</summary>
    internal int? BeginToken { get; init; }

    /// <summary>The token that a window is filled up with, or null where nobody says it (<c>pad_token_id</c>): only other programs ask.</summary>
    internal int? PadToken { get; init; }

    /// <summary>The end's token where a config does not say it: the last, before those that textual inversion may have added to CLIP's vocabulary.</summary>
    internal static int EndOf(int vocabularySize) => Math.Min(vocabularySize - 1, ClipEnd);

    /// <summary>CLIP ViT-L/14's text encoder: that of SD 1 and the first of SDXL.</summary>
    internal static ClipTextConfig VitL { get; } = new()
    {
        Transformer = new ClipTransformerConfig { Layers = 12, Width = 768, Heads = 12, Inner = 3072, Activation = ClipActivation.QuickGelu },
    };

    /// <summary>OpenCLIP ViT-H/14's without its last layer: that of SD 2.</summary>
    internal static ClipTextConfig VitH { get; } = new()
    {
        Transformer = new ClipTransformerConfig { Layers = 23, Width = 1024, Heads = 16, Inner = 4096, Activation = ClipActivation.Gelu },
    };

    /// <summary>OpenCLIP ViT-bigG/14's: the second of SDXL.</summary>
    internal static ClipTextConfig BigG { get; } = new()
    {
        Transformer = new ClipTransformerConfig { Layers = 32, Width = 1280, Heads = 20, Inner = 5120, Activation = ClipActivation.Gelu },
        ProjectionSize = 1280,
    };

    /// <summary>Reads a <c>config.json</c>. Unknown keys are ignored; missing ones have transformers' defaults.</summary>
    /// <exception cref="MuralException">The file is missing or describes something else.</exception>
    internal static ClipTextConfig Read(string path) => Read(ConfigReader.Open(path, Plain), path);

    /// <summary>Reads the text of a <c>config.json</c>.</summary>
    /// <param name="text">The text.</param>
    /// <param name="source">Where it comes from, for messages.</param>
    /// <exception cref="MuralException">It describes something else.</exception>
    internal static ClipTextConfig Parse(string text, string source) => Read(ConfigReader.Parse(text, source, Plain), source);

    private static ClipTextConfig Read(ConfigReader json, string path)
    {
        string architecture = json.List<string>("architectures")?.FirstOrDefault() ?? Plain;
        if (architecture is not (Plain or Projecting))
            throw new MuralException($"{path} describes a {architecture}, but a {Plain} or {Projecting} is wanted; give the folder of a CLIP text encoder.");
        int vocabulary = json.Integer("vocab_size", 49_408), end = json.Integer("eos_token_id", ClipEnd);
        var config = new ClipTextConfig
        {
            VocabularySize = vocabulary,
            Positions = json.Integer("max_position_embeddings", 77),
            Transformer = ClipTransformerConfig.Read(json, path, new() { Layers = 12, Width = 512, Heads = 8, Inner = 2048, Activation = ClipActivation.QuickGelu }),
            ProjectionSize = architecture == Plain ? null : json.Integer("projection_dim", 512),
            EndToken = end == LegacyEnd ? EndOf(vocabulary) : end,
            BeginToken = json.OptionalInteger("bos_token_id"),
            PadToken = json.OptionalInteger("pad_token_id"),
        };
        config.Validate();
        return config;
    }

    /// <summary>The text of a <c>config.json</c> that transformers reads.</summary>
    internal string ToJson()
    {
        var json = new JsonObject
        {
            ["architectures"] = ConfigWriter.List([ProjectionSize is null ? Plain : Projecting]),
            ["eos_token_id"] = EndToken,
            ["max_position_embeddings"] = Positions,
            ["model_type"] = "clip_text_model",
            ["vocab_size"] = VocabularySize,
        };
        if (BeginToken is { } begin) json["bos_token_id"] = begin;
        if (PadToken is { } pad) json["pad_token_id"] = pad;
        if (ProjectionSize is { } size) json["projection_dim"] = size;
        Transformer.Write(json);
        return json.ToJsonString(ConfigWriter.Indented) + "\n";
    }

    /// <exception cref="MuralException">A value is impossible.</exception>
    internal void Validate()
    {
        Transformer.Validate("text encoder");
        if (VocabularySize < 1 || ProjectionSize < 1)
            throw new MuralException($"The text encoder's vocab_size is {VocabularySize} and its projection_dim {ProjectionSize}; both must be at least 1.");
        if (Positions is < ClipTokenizer.ShortestWindow or > ClipTokenizer.ClipWindow)
            throw new MuralException(
                $"The text encoder's max_position_embeddings is {Positions}; it must be from {ClipTokenizer.ShortestWindow} to {ClipTokenizer.ClipWindow}, CLIP's.");
    }
}
