using System.Text.Json.Nodes;
using Mural.Checkpoints;
using Mural.Imaging;
using Mural.Training.Data;

namespace Mural.Evaluation;

/// <summary>What <c>config.json</c> says of a judge.</summary>
/// <param name="Architecture">The sizes of its towers.</param>
/// <param name="ImageSize">Side of the square that it sees of a picture, in pixels.</param>
/// <param name="Words">Words of its vocabulary.</param>
/// <param name="Background">Colour behind transparent pixels.</param>
/// <param name="Fit">How pictures become squares.</param>
internal sealed record JudgeConfig(JudgeArchitecture Architecture, int ImageSize, int Words, Rgb Background, SquareFit Fit = SquareFit.Crop)
{
    /// <summary>Reads a <c>config.json</c>.</summary>
    /// <param name="folder">The folder that holds it.</param>
    /// <exception cref="MuralException">The file is missing, is not JSON, or describes no judge.</exception>
    internal static JudgeConfig Read(string folder)
    {
        ConfigReader json = ConfigReader.Open(folder, nameof(JudgeModel));
        var defaults = new JudgeArchitecture();
        var config = new JudgeConfig(
            new JudgeArchitecture
            {
                BlockOutChannels = json.List<int>("block_out_channels") ?? defaults.BlockOutChannels,
                LayersPerBlock = json.Integer("layers_per_block", defaults.LayersPerBlock),
                NormNumGroups = json.Integer("norm_num_groups", defaults.NormNumGroups),
                WordWidth = json.Integer("word_width", defaults.WordWidth),
                EmbeddingSize = json.Integer("embedding_size", defaults.EmbeddingSize),
            },
            json.Integer("image_size", 64), json.Integer("words", 0), Rgb.Parse(json.Text("background", "#ffffff")), FitOf(json.Text("fit", EnumNames.Of(SquareFit.Crop))));
        config.Validate();
        return config;
    }

    internal string ToJson()
    {
        var json = new JsonObject
        {
            ["_class_name"] = nameof(JudgeModel),
            ["background"] = Background.ToString(),
            ["block_out_channels"] = ConfigWriter.List(Architecture.BlockOutChannels),
            ["embedding_size"] = Architecture.EmbeddingSize,
            ["fit"] = EnumNames.Of(Fit),
            ["image_size"] = ImageSize,
            ["layers_per_block"] = Architecture.LayersPerBlock,
            ["norm_num_groups"] = Architecture.NormNumGroups,
            ["word_width"] = Architecture.WordWidth,
            ["words"] = Words,
        };
        return json.ToJsonString(ConfigWriter.Indented) + "\n";
    }

    private static SquareFit FitOf(string name) => EnumNames.Parse<SquareFit>(name)
        ?? throw new MuralException($"The judge's pictures are made squares by '{name}'; {string.Join(", ", EnumNames.All<SquareFit>())} are known.");

    /// <exception cref="MuralException">A value is impossible.</exception>
    internal void Validate()
    {
        Architecture.Validate();
        if (Words < 1) throw new MuralException($"The judge's vocabulary has {Words} words; it must have at least 1.");
        if (ImageSize < Architecture.Downscale || ImageSize % Architecture.Downscale != 0)
            throw new MuralException($"The judge's pictures are of {ImageSize}x{ImageSize} pixels; a multiple of {Architecture.Downscale}, its factor, is expected.");
    }
}
