using Mural.Cli.CommandLine;
using Mural.Cli.Inspection;
using Mural.Imaging;
using Mural.Tests.Checkpoints.SingleFile;
using Mural.Tests.Goldens;

namespace Mural.Tests.Cli;

public class InspectTests
{
    private static string Model(string name) => GoldenCase.Model(name);

    [Fact]
    public void ADimIsRecognisedByItsShapes()
    {
        CommandRun run = CommandRun.Of("inspect", Model("tiny-dim-latent"), "--json");
        Assert.Equal(ExitCode.Success, run.ExitCode);
        Assert.Equal("checkpoint", run.Json["kind"]!.GetValue<string>());
        Assert.StartsWith("DiM: width ", run.Json["family"]!.GetValue<string>(), StringComparison.Ordinal);
        Assert.True(run.Json["parameters"]!.GetValue<long>() > 1000);
        Assert.Contains(run.Json["tensors"]!.AsArray(), tensor => tensor!["name"]!.GetValue<string>() == "transformer_blocks.0.attn1.A_log");
    }

    [Theory]
    [InlineData("tiny-sd15/vae", "AutoencoderKL")]
    [InlineData("tiny-taesd", "AutoencoderTiny")]
    public void OtherFamiliesAreRecognisedByTheirNames(string folder, string family)
    {
        CommandRun run = CommandRun.Of("inspect", Model(folder));
        Assert.Equal(ExitCode.Success, run.ExitCode);
        Assert.Contains($"family      {family}", run.Out, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("tiny-sd15", "LinFusion: 16 attentions of 32 to 64 channels, mixer linfusion")]
    [InlineData("tiny-sdxl", "LinFusion: ")]
    public void ALinFusionCheckpointIsRecognised(string name, string family)
    {
        CommandRun run = CommandRun.Of("inspect", GoldenCase.At("linfusion", "weights", name));
        Assert.True(run.ExitCode == ExitCode.Success, run.Error);
        Assert.Contains($"family      {family}", run.Out, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("LoRA", "lora_unet_mid.lora_down.weight", "lora_unet_mid.lora_up.weight", "lora_unet_mid.alpha", "bundle_emb.fox.clip_l")]
    [InlineData("LoKr", "lora_unet_mid.lokr_w1", "lora_unet_mid.alpha")]
    [InlineData("IP-Adapter", "image_proj.proj.weight", "ip_adapter.1.to_k_ip.weight", "ip_adapter.1.to_v_ip.weight")]
    [InlineData("ControlNet, original layout", "control_model.input_hint_block.0.weight", "control_model.input_blocks.0.0.weight")]
    [InlineData("ControlNet, original layout", "input_hint_block.0.weight", "input_blocks.0.0.weight")]
    [InlineData("ControlNet, original layout, with its model", "control_model.input_hint_block.0.weight", "model.diffusion_model.input_blocks.0.0.weight")]
    [InlineData("textual inversion: 2 vectors of 768 channels", "emb_params")]
    [InlineData("textual inversion: 2 vectors of 768 channels", "<fox>")]
    [InlineData("textual inversion: 2 vectors of 768 and 768 channels", "clip_g", "clip_l")]
    [InlineData("Stable Diffusion 1, UNet alone in the original layout",
        "model.diffusion_model.input_blocks.0.0.weight", "model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight")]
    [InlineData("Stable Diffusion 1, UNet alone in the original layout", "input_blocks.0.0.weight", "input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight")]
    [InlineData("Stable Diffusion 2, single file", "model.diffusion_model.input_blocks.0.0.weight", "cond_stage_model.model.ln_final.weight")]
    [InlineData("Stable Diffusion XL, single file", "model.diffusion_model.input_blocks.0.0.weight", "conditioner.embedders.1.model.ln_final.weight")]
    [InlineData("Stable Diffusion, single file", "model.diffusion_model.input_blocks.0.0.weight", "first_stage_model.encoder.conv_in.weight", "edm_mean")]
    [InlineData(null, "x")]
    [InlineData(null, "input_blocks.0.0.weight")]
    [InlineData(null, "x.lora_down.weight", "conv_in.weight")]
    public void TheRestIsRecognisedByItsNames(string? family, params string[] tensors) =>
        Assert.Equal(family, CheckpointFamily.Guess(new ShapeSource(tensors.Select(name => (name, name == "x" ? new long[] { 2, 3 } : [2, 768])))));

    [Fact]
    public void LinearAttentionsOfNoWidthAreRefused()
    {
        foreach ((string name, long[] shape) in ((string, long[])[])[("0.scan.A_log", [8]), ("0.gk_proj.1.weight", [8, 8]), ("0.to_q.weight", [8])])
        {
            string sentence = Assert.Throws<MuralException>(() => CheckpointFamily.Guess(new ShapeSource([(name, shape)]))).Message;
            Assert.Contains("to_q or in_proj", sentence, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void APictureTellsHowItWasMade()
    {
        using var folder = new TemporaryFolder();
        var parameters = new GenerationParameters { Prompt = "red heart", Steps = 20, Seed = 7, Sampler = "DPM++" };
        PictureWriter.Write(folder.At("heart.png"), new Picture(8, 4, 3), null, PictureMetadata.Of(parameters, """{"seed":7}"""));
        CommandRun run = CommandRun.Of("inspect", folder.At("heart.png"), "--json");
        Assert.Equal(ExitCode.Success, run.ExitCode);
        Assert.Equal((8, 4), (run.Json["width"]!.GetValue<int>(), run.Json["height"]!.GetValue<int>()));
        Assert.StartsWith("red heart", run.Json["parameters"]!.GetValue<string>(), StringComparison.Ordinal);
        Assert.Equal(7, run.Json["mural"]!["seed"]!.GetValue<int>());
    }

    [Theory]
    [InlineData("missing.safetensors", null)]
    [InlineData("empty.safetensors", "")]
    [InlineData("text.pth", "not a checkpoint at all")]
    [InlineData("broken.png", "\u0089PNG\r\n\u001a\nrest")]
    public void AFileThatIsNeitherIsOneSentence(string name, string? content)
    {
        using var folder = new TemporaryFolder();
        if (content is not null) File.WriteAllBytes(folder.At(name), [.. content.Select(c => (byte)c)]);
        CommandRun run = CommandRun.Of("inspect", folder.At(name));
        Assert.Equal(ExitCode.Problem, run.ExitCode);
        Assert.Contains(name, Assert.Single(run.Problems), StringComparison.Ordinal);
    }
}
