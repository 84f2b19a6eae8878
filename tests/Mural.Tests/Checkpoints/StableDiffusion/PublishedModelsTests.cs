using System.Text.Json.Nodes;
using Mural.Checkpoints.SingleFile;
using Mural.Checkpoints.StableDiffusion;
using Mural.Layers;
using Mural.Samplers;
using Mural.Tests.Checkpoints.SingleFile;
using Mural.Tests.Goldens;
using Mural.Text;
using Mural.UNet;

namespace Mural.Tests.Checkpoints.StableDiffusion;

/// <summary>The architectures of published models, told from the names and shapes in a single file. Networks are built on the meta device, which holds no numbers.</summary>
[Trait("Area", "single-file")]
public class PublishedModelsTests
{
    public static TheoryData<string> Published => SingleFileTable.Names(table => table.Shapes is not null);

    public static TheoryData<string> Summaries => GoldenCase.NamesByJson("single-file", json => json.Count > 0 && json.All(entry => entry.Value?["single_file_keys"] is not null));

    [GoldenTheory, MemberData(nameof(Published))]
    public void NetworksHaveExactlyTheFilesTensors(string name)
    {
        using var scope = NewDisposeScope();
        SingleFileTable table = SingleFileTable.Open(name);
        using StableDiffusionCheckpoint model = Open(table);
        using var unet = new UNet2DConditionModel(model.UNetConfig, new LayerFactory(float32, Initialize: false, META));
        AssertShapes(table.Shapes!["unet"], unet);
        foreach ((string component, ClipTextConfig config) in TextConfigs(model))
        {
            using var encoder = new ClipTextEncoder(config, new LayerFactory(float32, Initialize: false, META));
            AssertShapes(table.Shapes[component], encoder);
            Assert.Contains(config, (ClipTextConfig[])[ClipTextConfig.VitL, ClipTextConfig.VitH, ClipTextConfig.BigG]);
        }
        Assert.Equal(model.Family == ModelFamily.StableDiffusionXL, model.ZerosForNoNegative);
        Assert.Equal([128, 256, 512, 512], model.AutoencoderConfig.BlockOutChannels);
        Assert.Equal(2, model.AutoencoderConfig.LayersPerBlock);
    }

    [GoldenTheory, MemberData(nameof(Published))]
    public void TheUNetsConfigIsThePublishedOne(string name)
    {
        SingleFileTable table = SingleFileTable.Open(name);
        using StableDiffusionCheckpoint model = Open(table);
        JsonObject config = JsonNode.Parse(model.UNetConfig.ToJson())!.AsObject();
        foreach ((string key, JsonNode? expected) in table.UNetConfig!)
        {
            // Stable Diffusion 2 does not tell which size it is for, and no tensor how deep a level would be that does not attend.
            if (key == "sample_size" && model.PredictionIsGuessed) continue;
            if (key == "transformer_layers_per_block")
            {
                foreach (int level in Enumerable.Range(0, model.UNetConfig.DownBlockAttention.Count).Where(level => model.UNetConfig.DownBlockAttention[level]))
                    Assert.Equal((expected as JsonArray)?[level]?.GetValue<int>() ?? expected!.GetValue<int>(), model.UNetConfig.TransformerLayers[level]);
                continue;
            }
            // Lists of one number for all levels are written as that number.
            JsonNode? actual = expected is JsonArray list && config[key] is JsonValue value ? new JsonArray([.. list.Select(_ => value.DeepClone())]) : config[key];
            Assert.True(JsonNode.DeepEquals(expected, actual), $"{key} is {actual?.ToJsonString()} instead of {expected?.ToJsonString()}");
        }
    }

    [GoldenTheory, MemberData(nameof(Summaries))]
    public void TheSummarysCountsAreTheTables(string name)
    {
        foreach ((string family, JsonNode? counts) in GoldenCase.ReadJson("single-file", name))
        {
            SingleFileTable table = SingleFileTable.Open("real-" + family);
            Assert.Equal(counts!["single_file_keys"]!.GetValue<int>(), table.Stored.Count);
            foreach ((string component, Dictionary<string, long[]> shapes) in table.Shapes!)
            {
                Assert.Equal(counts["tensors"]![component]!.GetValue<int>(), shapes.Count);
                Assert.Equal(counts["parameters"]![component]!.GetValue<long>(), shapes.Values.Sum(shape => shape.Aggregate(1L, (product, size) => product * size)));
            }
        }
    }

    [GoldenTheory, MemberData(nameof(Published))]
    public void MarksTellHowAModelWasTrained(string name)
    {
        SingleFileTable table = SingleFileTable.Open(name);
        using StableDiffusionCheckpoint plain = Open(table), marked = Open(table, ("v_pred", []), ("ztsnr", []));
        // Of the second version's models, those for inpainting predict noise.
        bool guesses = plain.Family == ModelFamily.StableDiffusion2 && plain.UNetConfig.InChannels != 9;
        Assert.Equal(guesses, plain.PredictionIsGuessed);
        Assert.Equal(guesses ? PredictionType.VPrediction : PredictionType.Epsilon, plain.Sampling.PredictionType);
        Assert.False(marked.PredictionIsGuessed);
        Assert.Equal(PredictionType.VPrediction, marked.Sampling.PredictionType);
        Assert.True(marked.Sampling.RescaleBetasZeroSnr);
    }

    [Fact]
    public void AnInpaintingModelOfTheSecondVersionPredictsNoise()
    {
        const string First = "model.diffusion_model.input_blocks.0.0.weight";
        SingleFileTable table = SingleFileTable.Open("real-sd21");
        using StableDiffusionCheckpoint model = SingleFileModel.Of(SingleFileCheckpoint.Of(new ShapeSource(
            [.. table.Stored.Select(pair => (pair.Key, pair.Key == First ? [320, 9, 3, 3] : pair.Value.Shape!))])));
        Assert.Equal((ModelFamily.StableDiffusion2, 9, 64), (model.Family, model.UNetConfig.InChannels, model.UNetConfig.SampleSize));
        Assert.Equal((PredictionType.Epsilon, false), (model.Sampling.PredictionType, model.PredictionIsGuessed));
    }

    private static StableDiffusionCheckpoint Open(SingleFileTable table, params (string, long[])[] further) =>
        SingleFileModel.Of(SingleFileCheckpoint.Of(new ShapeSource([.. table.Stored.Select(pair => (pair.Key, pair.Value.Shape!)), .. further])));

    private static IEnumerable<(string Component, ClipTextConfig Config)> TextConfigs(StableDiffusionCheckpoint model) => model.Components.Values
        .Where(component => component.Name.StartsWith("text", StringComparison.Ordinal))
        .Select(component => (component.Name, ClipTextConfig.Parse(component.Config, component.Name)));

    private static void AssertShapes(Dictionary<string, long[]> expected, nn.Module network)
    {
        Dictionary<string, long[]> actual = network.named_parameters().ToDictionary(parameter => parameter.name, parameter => parameter.parameter.shape);
        Assert.Equal(expected.Keys.Order(StringComparer.Ordinal), actual.Keys.Order(StringComparer.Ordinal));
        Assert.All(expected, tensor => Assert.Equal(tensor.Value, actual[tensor.Key]));
    }
}
