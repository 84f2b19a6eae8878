using Mural.Checkpoints;
using Mural.Layers.Clip;

namespace Mural.Vision;

/// <summary>Architecture of a <see cref="ClipVisionEncoder"/>, as its <c>config.json</c> states it (spec 7.2).</summary>
internal sealed record ClipVisionConfig
{
    private const string Name = "CLIPVisionModelWithProjection";

    /// <summary>The transformer.</summary>
    internal required ClipTransformerConfig Transformer { get; init; }

    /// <summary>Side in pixels of the square it sees (<c>image_size</c>).</summary>
    internal int ImageSize { get; init; } = 224;

    /// <summary>Side in pixels of the patch that becomes one token (<c>patch_size</c>).</summary>
    internal int PatchSize { get; init; } = 14;

    /// <summary>Channels of a picture (<c>num_channels</c>).</summary>
    internal int Channels { get; init; } = 3;

    /// <summary>Width of the projected embedding (<c>projection_dim</c>).</summary>
    internal int ProjectionSize { get; init; } = 1024;

    /// <summary>Tokens of a picture: one for the whole, then its patches.</summary>
    internal int Tokens => 1 + ImageSize / PatchSize * (ImageSize / PatchSize);

    /// <summary>Reads a <c>config.json</c>. Unknown keys are ignored; missing ones have transformers' defaults.</summary>
    /// <exception cref="MuralException">The file is missing or describes something else.</exception>
    internal static ClipVisionConfig Read(string path)
    {
        ConfigReader json = ConfigReader.Open(path, Name);
        string architecture = json.List<string>("architectures")?.FirstOrDefault() ?? Name;
        if (architecture != Name) throw new MuralException($"{path} describes a {architecture}, but a {Name} is wanted; give the folder of a CLIP image encoder.");
        var config = new ClipVisionConfig
        {
            Transformer = ClipTransformerConfig.Read(json, path, new() { Layers = 12, Width = 768, Heads = 12, Inner = 3072, Activation = ClipActivation.QuickGelu }),
            ImageSize = json.Integer("image_size", 224),
            PatchSize = json.Integer("patch_size", 32),
            Channels = json.Integer("num_channels", 3),
            ProjectionSize = json.Integer("projection_dim", 512),
        };
        config.Validate();
        return config;
    }

    /// <exception cref="MuralException">A value is impossible.</exception>
    internal void Validate()
    {
        Transformer.Validate("image encoder");
        if (Channels != 3) throw new MuralException($"The image encoder's num_channels is {Channels}; only the 3 of colour pictures are supported.");
        if (PatchSize < 1 || ImageSize < PatchSize || ProjectionSize < 1)
            throw new MuralException($"The image encoder's patch_size is {PatchSize}, its image_size {ImageSize} and its projection_dim {ProjectionSize}; "
                + $"a picture must hold a patch and each be at least 1.");
    }
}
