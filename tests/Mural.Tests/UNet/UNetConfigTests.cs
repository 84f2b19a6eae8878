using Mural.UNet;
using static Mural.Tests.Autoencoders.TinyAutoencoders;

namespace Mural.Tests.UNet;

[Trait("Area", "unet")]
public class UNetConfigTests
{
    [Fact]
    public void MissingKeysHaveTheDefaultsOfDiffusers()
    {
        UNetConfig config = Read("{\"_class_name\": \"UNet2DConditionModel\", \"num_attention_heads\": null, \"something_new\": {}}");
        Assert.Equal(new UNetConfig { CrossAttentionWidth = 1280, SampleSize = null }.ToJson(), config.ToJson());
        Assert.Equal(1280, config.TimeWidth);
    }

    [Fact]
    public void NumbersStandForEveryLevelAndListsForEach()
    {
        UNetConfig config = Read("""
            {"block_out_channels": [64, 128, 128, 256], "attention_head_dim": [1, 2, 4, 8], "layers_per_block": 3, "transformer_layers_per_block": [1, 2, 3, 4],
             "only_cross_attention": [false, false, false, false], "resnet_out_scale_factor": 1.0, "norm_eps": 1e-6, "time_cond_proj_dim": 256}
            """);
        Assert.Equal([1, 2, 4, 8], config.AttentionHeads);
        Assert.Equal([3, 3, 3, 3], config.LayersPerBlock);
        Assert.Equal([1, 2, 3, 4], config.TransformerLayers);
        Assert.Equal((1e-6, 256, 256), (config.NormEpsilon, config.GuidanceEmbeddingWidth, config.TimeWidth));
    }

    // The number of heads stands under attention_head_dim in the files of every family, unless num_attention_heads is given.
    [Fact]
    public void TheRightNameOfTheHeadsWins() =>
        Assert.Equal([4, 4, 4, 4], Read("{\"attention_head_dim\": 8, \"num_attention_heads\": 4}").AttentionHeads);

    // A published ControlNet for SDXL has it.
    [Fact]
    public void LevelsThatDoNotAttendMayHaveNoTransformerLayers()
    {
        const string Levels = """
            {"block_out_channels": [64, 128, 256], "down_block_types": ["DownBlock2D", "DownBlock2D", "CrossAttnDownBlock2D"],
             "up_block_types": ["CrossAttnUpBlock2D", "UpBlock2D", "UpBlock2D"],
             "transformer_layers_per_block": LAYERS}
            """;
        Assert.Equal([0, 0, 1], Read(Levels.Replace("LAYERS", "[0, 0, 1]", StringComparison.Ordinal)).TransformerLayers);
        Assert.Contains("at least 1", Assert.Throws<MuralException>(() => Read(Levels.Replace("LAYERS", "[0, 0, 0]", StringComparison.Ordinal))).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{")]
    [InlineData("{\"_class_name\": \"ControlNetModel\"}")]
    [InlineData("{\"class_embed_type\": \"timestep\"}")]
    [InlineData("{\"num_class_embeds\": 1000}")]
    [InlineData("{\"dual_cross_attention\": true}")]
    [InlineData("{\"only_cross_attention\": [true, false, false, false]}")]
    [InlineData("{\"resnet_time_scale_shift\": \"scale_shift\"}")]
    [InlineData("{\"encoder_hid_dim_type\": \"text_proj\"}")]
    [InlineData("{\"attention_type\": \"gated\"}")]
    [InlineData("{\"conv_in_kernel\": 5}")]
    [InlineData("{\"act_fn\": \"gelu\"}")]
    [InlineData("{\"mid_block_type\": \"UNetMidBlock2DSimpleCrossAttn\"}")]
    [InlineData("{\"mid_block_type\": null}")]
    [InlineData("{\"down_block_types\": [\"SimpleCrossAttnDownBlock2D\", \"DownBlock2D\", \"DownBlock2D\", \"DownBlock2D\"]}")]
    [InlineData("{\"up_block_types\": [\"UpBlock2D\"]}")]
    [InlineData("{\"addition_embed_type\": \"image\"}")]
    [InlineData("{\"addition_embed_type\": \"text_time\"}")]
    [InlineData("{\"block_out_channels\": []}")]
    [InlineData("{\"block_out_channels\": [320, 640, 1280, 1290]}")]
    [InlineData("{\"block_out_channels\": \"many\"}")]
    [InlineData("{\"layers_per_block\": 0}")]
    [InlineData("{\"layers_per_block\": [2, 2]}")]
    [InlineData("{\"transformer_layers_per_block\": [1, 1, 1, 0]}")]
    [InlineData("{\"transformer_layers_per_block\": [[1], [1], [1], [1]]}")]
    [InlineData("{\"attention_head_dim\": 7}")]
    [InlineData("{\"attention_head_dim\": 0}")]
    [InlineData("{\"norm_num_groups\": 0}")]
    [InlineData("{\"norm_eps\": 0}")]
    [InlineData("{\"in_channels\": -4}")]
    [InlineData("{\"sample_size\": 0}")]
    [InlineData("{\"downsample_padding\": 2}")]
    [InlineData("{\"mid_block_scale_factor\": 0}")]
    [InlineData("{\"freq_shift\": 160}")]
    [InlineData("{\"time_cond_proj_dim\": 2}")]
    [InlineData("{\"cross_attention_dim\": [1, 2, 3, 4]}")]
    public void WrongConfigIsOneSentence(string json) => AssertOneSentence(Assert.Throws<MuralException>(() => Read(json)).Message);

    private static UNetConfig Read(string json)
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder.At("config.json"), json);
        return UNetConfig.Read(folder.Path);
    }
}
