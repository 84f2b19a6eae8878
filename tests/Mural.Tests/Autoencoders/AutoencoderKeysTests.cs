using Mural.Autoencoders;
using Mural.Checkpoints;
using static Mural.Tests.Autoencoders.TinyAutoencoders;

namespace Mural.Tests.Autoencoders;

/// <summary>Names of every generation (spec 3.2 and 8.3).</summary>
[Trait("Area", "vae")]
public class AutoencoderKeysTests
{
    [Theory]
    [InlineData("encoder.conv_in.weight", "encoder.conv_in.weight")]
    [InlineData("encoder.norm_out.bias", "encoder.conv_norm_out.bias")]
    [InlineData("encoder.down.0.block.1.norm1.weight", "encoder.down_blocks.0.resnets.1.norm1.weight")]
    [InlineData("encoder.down.1.block.0.nin_shortcut.weight", "encoder.down_blocks.1.resnets.0.conv_shortcut.weight")]
    [InlineData("encoder.down.2.downsample.conv.bias", "encoder.down_blocks.2.downsamplers.0.conv.bias")]
    [InlineData("encoder.mid.block_1.conv1.weight", "encoder.mid_block.resnets.0.conv1.weight")]
    [InlineData("encoder.mid.block_2.norm2.bias", "encoder.mid_block.resnets.1.norm2.bias")]
    [InlineData("decoder.mid.attn_1.norm.weight", "decoder.mid_block.attentions.0.group_norm.weight")]
    [InlineData("decoder.mid.attn_1.q.weight", "decoder.mid_block.attentions.0.to_q.weight")]
    [InlineData("decoder.mid.attn_1.k.bias", "decoder.mid_block.attentions.0.to_k.bias")]
    [InlineData("decoder.mid.attn_1.v.weight", "decoder.mid_block.attentions.0.to_v.weight")]
    [InlineData("decoder.mid.attn_1.proj_out.weight", "decoder.mid_block.attentions.0.to_out.0.weight")]
    [InlineData("decoder.up.3.block.2.conv2.bias", "decoder.up_blocks.0.resnets.2.conv2.bias")]
    [InlineData("decoder.up.0.block.0.nin_shortcut.bias", "decoder.up_blocks.3.resnets.0.conv_shortcut.bias")]
    [InlineData("decoder.up.1.upsample.conv.weight", "decoder.up_blocks.2.upsamplers.0.conv.weight")]
    [InlineData("encoder.mid_block.attentions.0.query.weight", "encoder.mid_block.attentions.0.to_q.weight")]
    [InlineData("encoder.mid_block.attentions.0.key.weight", "encoder.mid_block.attentions.0.to_k.weight")]
    [InlineData("encoder.mid_block.attentions.0.value.bias", "encoder.mid_block.attentions.0.to_v.bias")]
    [InlineData("encoder.mid_block.attentions.0.proj_attn.bias", "encoder.mid_block.attentions.0.to_out.0.bias")]
    [InlineData("encoder.mid_block.attentions.0.group_norm.bias", "encoder.mid_block.attentions.0.group_norm.bias")]
    [InlineData("post_quant_conv.weight", "post_quant_conv.weight")]
    [InlineData("loss.discriminator.main.0.weight", null)]
    [InlineData("model_ema.decay", null)]
    public void OldNamesBecomeNewOnes(string stored, string? current)
    {
        Assert.Equal(current, AutoencoderKeys.Renaming([stored], 4)(stored));
        string prefixed = "first_stage_model." + stored;
        Assert.Equal(current, AutoencoderKeys.Renaming([prefixed, "model.diffusion_model.out.0.weight"], 4)(prefixed));
    }

    [Fact]
    public void TheRestOfAWholeModelIsLeftOut()
    {
        Func<string, string?> renaming = AutoencoderKeys.Renaming(["first_stage_model.quant_conv.bias", "model.diffusion_model.out.0.weight", "encoder.conv_in.weight"], 4);
        Assert.Null(renaming("model.diffusion_model.out.0.weight"));
        Assert.Null(renaming("encoder.conv_in.weight"));
        Assert.Equal("quant_conv.bias", renaming("first_stage_model.quant_conv.bias"));
    }

    [Theory]
    [InlineData("", false)]
    [InlineData("", true)]
    [InlineData("first_stage_model.", true)]
    [InlineData("vae.", true)]
    public void WholeCheckpointOfAnyGenerationLoads(string prefix, bool singleFile)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using var folder = new TemporaryFolder();
        using AutoencoderKL vae = KL();
        int levels = vae.Config.BlockOutChannels.Count;
        var stored = new Dictionary<string, Tensor>();
        foreach ((string name, Tensor weight) in ModuleWeights.Places(vae))
        {
            string old = prefix + (singleFile ? SingleFileName(name, levels) : OldDiffusersName(name));
            // Projections of the attention were 1x1 convolutions.
            stored.Add(old, name.Contains(".to_") && weight.dim() == 2 && singleFile ? weight.unsqueeze(-1).unsqueeze(-1) : weight);
        }
        if (prefix.Length > 0) stored.Add("model.diffusion_model.time_embed.0.weight", ones(3));
        Assert.NotEqual(ModuleWeights.Places(vae).Keys.Order(), stored.Keys.Order());
        SafetensorsWriter.Save(folder.At("vae"), stored);
        using var source = SafetensorsFile.Open(folder.At("vae"));
        using var loaded = new AutoencoderKL(KLConfig);
        loaded.Load(source);
        Assert.True(loaded.forward(Pictures(8, 12)).equal(vae.forward(Pictures(8, 12))).all().item<bool>());
    }

    [Fact]
    public void WrongCheckpointIsExplainedAndChangesNothing()
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using var folder = new TemporaryFolder();
        using AutoencoderKL vae = KL(), other = KL(KLConfig with { LayersPerBlock = 2 });
        other.Save(folder.Path);
        Tensor before = vae.forward(Pictures(8, 8));
        using var source = SafetensorsFile.Open(folder.At(ModelFolder.WeightsName));
        CheckpointMismatchException problem = Assert.Throws<CheckpointMismatchException>(() => vae.Load(source));
        Assert.NotEmpty(problem.Unexpected);
        AssertOneSentence(problem.Message);
        Assert.True(before.equal(vae.forward(Pictures(8, 8))).all().item<bool>());
        File.WriteAllText(folder.At(ModelFolder.ConfigName), vae.Config.ToJson());
        Assert.Throws<CheckpointMismatchException>(() => AutoencoderKL.FromFolder(folder.Path));
    }

    private static string OldDiffusersName(string name) =>
        name.Replace(".to_q.", ".query.").Replace(".to_k.", ".key.").Replace(".to_v.", ".value.").Replace(".to_out.0.", ".proj_attn.");

    // Built from the tree, not by undoing what the reader does.
    private static string SingleFileName(string name, int levels)
    {
        string[] parts = name.Split('.');
        string tail = parts[^1];
        return parts[1] switch
        {
            "mid_block" when parts[2] == "attentions" => $"{parts[0]}.mid.attn_1.{AttentionName(parts[4])}.{tail}",
            "mid_block" => $"{parts[0]}.mid.block_{int.Parse(parts[3]) + 1}.{parts[4]}.{tail}",
            "down_blocks" or "up_blocks" => Stage(parts, levels, tail),
            "conv_norm_out" => $"{parts[0]}.norm_out.{tail}",
            _ => name,
        };
    }

    private static string Stage(string[] parts, int levels, string tail)
    {
        bool down = parts[1] == "down_blocks";
        string stage = down ? $"encoder.down.{parts[2]}" : $"decoder.up.{levels - 1 - int.Parse(parts[2])}";
        if (parts[3] is "downsamplers" or "upsamplers") return $"{stage}.{(down ? "downsample" : "upsample")}.conv.{tail}";
        return $"{stage}.block.{parts[4]}.{(parts[5] == "conv_shortcut" ? "nin_shortcut" : parts[5])}.{tail}";
    }

    private static string AttentionName(string part) => part switch
    {
        "group_norm" => "norm",
        "to_out" => "proj_out",
        _ => part[^1..],
    };
}
