using Mural.Checkpoints;
using Mural.DiM;
using Mural.Tests.Goldens;

namespace Mural.Tests.DiM;

public class DiMConfigTests
{
    public static TheoryData<string> Models
    {
        get
        {
            var models = new TheoryData<string>();
            string all = Path.Combine(GoldenCase.Root, "models");
            if (!Directory.Exists(all)) return models;
            foreach (string folder in Directory.GetDirectories(all).Order(StringComparer.Ordinal))
                if (File.Exists(Path.Combine(folder, "nnet_ema.safetensors"))) models.Add(Path.GetFileName(folder));
            return models;
        }
    }

    [GoldenTheory, MemberData(nameof(Models))]
    public void ShapesSayWhatTheConfigurationSays(string model)
    {
        string folder = GoldenCase.Model(model);
        DiMConfig written = DiMConfig.Load(Path.Combine(folder, "config.json"));
        using ITensorSource source = SafetensorsFile.Open(Path.Combine(folder, "nnet_ema.safetensors"));
        DiMConfig detected = DiMConfig.FromCheckpoint(source);
        Assert.Equal(written.TrainedGrid, detected.TrainedGrid);
        // Pads and the meaning of labels are not in the weights.
        Assert.Equal(written with { PositionGrid = null, PadLayout = default, Conditioning = default }, detected with { PositionGrid = null });
    }

    [Fact]
    public void TextKeepsEverything()
    {
        DiMConfig config = TinyNetwork.SpecConfig with { PadLayout = PadLayout.RhoPad, Conditioning = Conditioning.Words };
        Assert.Equal(config, DiMConfig.Parse(config.ToJson()));
        Assert.Contains("\"rho_pad\"", config.ToJson());
        Assert.Contains("\"words\"", config.ToJson());
        Assert.Contains("\"one linear on the concatenation\"", config.ToJson());
        Assert.DoesNotContain("position_grid", DiMConfig.Small.ToJson());
        Assert.All([DiMConfig.Small, DiMConfig.Large, DiMConfig.Huge, DiMConfig.Huge512], preset => Assert.Equal(preset, DiMConfig.Parse(preset.ToJson())));
    }

    [Fact]
    public void SequenceLengthsAreThoseOfTheSpecification()
    {
        Assert.Equal([366, 1230, 4494, 9806], new[] { 16, 32, 64, 96 }.Select(side => DiMConfig.Huge.SequenceLength(new TokenGrid(side, side))));
        Assert.Equal((96, 3072, 24, 1000), (DiMConfig.Huge.TimeStepRank, DiMConfig.Huge.InnerWidth, DiMConfig.Huge.DecoderBlocks, DiMConfig.Huge.NullLabel));
    }

    [Theory]
    [InlineData("""{ "width": 8 }""", "num_classes")]
    [InlineData("nonsense", "DiM")]
    [InlineData("null", "DiM")]
    [InlineData("""{ "width": 8, "blocks": 4, "in_channels": 4, "num_classes": 2, "sample_size": 8 }""", "odd")]
    [InlineData("""{ "width": 0, "blocks": 5, "in_channels": 4, "num_classes": 2, "sample_size": 8 }""", "width = 0")]
    [InlineData("""{ "width": 8, "blocks": 5, "in_channels": 4, "num_classes": 2, "sample_size": 7 }""", "sample_size = 7")]
    [InlineData("""{ "width": 8, "blocks": 5, "in_channels": 4, "num_classes": -1, "sample_size": 8 }""", "num_classes = -1")]
    [InlineData("""{ "width": 8, "blocks": 5, "in_channels": 4, "num_classes": 2, "sample_size": 8, "pad_layout": "round" }""", "pad_layout")]
    [InlineData("""{ "width": 8, "blocks": 5, "in_channels": 4, "num_classes": 2, "sample_size": 8, "position_grid": [3] }""", "[rows, columns]")]
    [InlineData("""{ "width": 8, "blocks": 5, "in_channels": 4, "num_classes": 2, "sample_size": 8, "position_grid": [0, 3] }""", "position_grid = 0x3")]
    [InlineData("""{ "model": "UNet", "width": 8, "blocks": 5, "in_channels": 4, "num_classes": 2, "sample_size": 8 }""", "UNet")]
    public void ImpossibleConfigurationsAreRefused(string json, string says) =>
        Assert.Contains(says, Assert.Throws<MuralException>(() => DiMConfig.Parse(json)).Message);

    [Fact]
    public void MissingFileIsNamed() => Assert.Contains("nowhere.json", Assert.Throws<MuralException>(() => DiMConfig.Load("nowhere.json")).Message);
}
