using Mural.Autoencoders;
using static Mural.Tests.Autoencoders.TinyAutoencoders;

namespace Mural.Tests.Autoencoders;

[Trait("Area", "vae")]
public class AutoencoderConfigTests
{
    [Fact]
    public void MissingKeysHaveTheDefaultsOfDiffusers()
    {
        AutoencoderConfig config = ReadKL("{\"_class_name\": \"AutoencoderKL\", \"latents_mean\": null, \"something_new\": {}}");
        Assert.Equal((3, 3, 4, 1, 32), (config.InChannels, config.OutChannels, config.LatentChannels, config.LayersPerBlock, config.NormGroupCount));
        Assert.Equal([64], config.BlockOutChannels);
        Assert.Equal((0.18215, 32, true, true), (config.ScalingFactor, config.SampleSize, config.ForceUpcast, config.MidBlockAttention));
        Assert.Equal((1, 32), (config.Downscale, config.DefaultTiles.Side));
        AutoencoderTinyConfig tiny = ReadTiny("{}");
        Assert.Equal(new AutoencoderTinyConfig().ToJson(), tiny.ToJson());
    }

    [Theory]
    [InlineData("{")]
    [InlineData("[]")]
    [InlineData("")]
    [InlineData("{\"in_channels\": 3, \"in_channels\": 4}")]
    [InlineData("{\"_class_name\": \"AutoencoderTiny\"}")]
    [InlineData("{\"_class_name\": 7}")]
    [InlineData("{\"act_fn\": \"gelu\"}")]
    [InlineData("{\"down_block_types\": [\"AttnDownEncoderBlock2D\"]}")]
    [InlineData("{\"up_block_types\": [\"SkipUpBlock2D\"]}")]
    [InlineData("{\"in_channels\": \"three\"}")]
    [InlineData("{\"in_channels\": 3.5}")]
    [InlineData("{\"in_channels\": 0}")]
    [InlineData("{\"latent_channels\": 99999999999}")]
    [InlineData("{\"layers_per_block\": -1}")]
    [InlineData("{\"block_out_channels\": []}")]
    [InlineData("{\"block_out_channels\": 64}")]
    [InlineData("{\"block_out_channels\": [64, null]}")]
    [InlineData("{\"block_out_channels\": [48]}")]
    [InlineData("{\"norm_num_groups\": 0}")]
    [InlineData("{\"use_quant_conv\": \"yes\"}")]
    [InlineData("{\"scaling_factor\": 0}")]
    [InlineData("{\"latents_mean\": [1, 2, 3, 4]}")]
    [InlineData("{\"latents_mean\": [1], \"latents_std\": [1]}")]
    [InlineData("{\"latents_mean\": [0, 0, 0, 0], \"latents_std\": [1, 1, 0, 1]}")]
    public void WrongConfigIsOneSentence(string json) => AssertOneSentence(Assert.Throws<MuralException>(() => ReadKL(json)).Message);

    [Theory]
    [InlineData("{\"_class_name\": \"AutoencoderKL\"}")]
    [InlineData("{\"act_fn\": \"silu\"}")]
    [InlineData("{\"upsample_fn\": \"bilinear\"}")]
    [InlineData("{\"upsampling_scaling_factor\": 3}")]
    [InlineData("{\"latent_channels\": 0}")]
    [InlineData("{\"encoder_block_out_channels\": [64, 64, 64, 32]}")]
    [InlineData("{\"decoder_block_out_channels\": [64, 64]}")]
    [InlineData("{\"num_encoder_blocks\": []}")]
    [InlineData("{\"num_decoder_blocks\": [3, 3, -3, 1]}")]
    [InlineData("{\"num_decoder_blocks\": [3, 3, 1], \"decoder_block_out_channels\": [8, 8, 8]}")]
    [InlineData("{\"latent_magnitude\": 0}")]
    public void WrongTinyConfigIsOneSentence(string json) => AssertOneSentence(Assert.Throws<MuralException>(() => ReadTiny(json)).Message);

    [Fact]
    public void MissingFilesAreNamed()
    {
        using var folder = new TemporaryFolder();
        MuralException noConfig = Assert.Throws<MuralException>(() => AutoencoderKL.FromFolder(folder.Path));
        Assert.Contains("config.json", noConfig.Message);
        File.WriteAllText(folder.At("config.json"), KLConfig.ToJson());
        MuralException noWeights = Assert.Throws<MuralException>(() => AutoencoderKL.FromFolder(folder.Path));
        Assert.Contains("diffusion_pytorch_model.safetensors", noWeights.Message);
        AssertOneSentence(noConfig.Message);
        AssertOneSentence(noWeights.Message);
    }

    private static AutoencoderConfig ReadKL(string json) => Read(json, AutoencoderConfig.Read);

    private static AutoencoderTinyConfig ReadTiny(string json) => Read(json, AutoencoderTinyConfig.Read);

    private static T Read<T>(string json, Func<string, T> read)
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder.At("config.json"), json);
        return read(folder.Path);
    }
}
