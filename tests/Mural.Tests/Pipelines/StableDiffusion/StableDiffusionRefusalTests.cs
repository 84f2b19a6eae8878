using System.Text.Json.Nodes;
using Mural.Autoencoders;
using Mural.Imaging;
using Mural.Pipelines;
using static Mural.Tests.Pipelines.TinyStableDiffusion;

namespace Mural.Tests.Pipelines;

/// <summary>What cannot be painted is one sentence that says what to do.</summary>
public class StableDiffusionRefusalTests
{
    public static TheoryData<string, string> Requests => new()
    {
        { "steps", "0 steps" }, { "negative steps", "-5 steps" }, { "infinite guidance", "guidance is" },
        { "many steps", "1000" }, { "guidance", "guidance is NaN" }, { "rescale", "from 0 to 1" }, { "width", "multiple of 8; use 64" }, { "zero", "multiple of 8; use 8" },
        { "huge", "too large" }, { "prompt", "at most 65536" }, { "negative", "at most 65536" },
        { "count", "at least 1" }, { "clip", "cannot be skipped" }, { "sampler", "no sampler 'abacus'" },
        { "schedule", "no noise schedule 'abacus'" }, { "eta", "eta, is 2" }, { "mask alone", "without the picture" }, { "mask size", "mask of the picture's size" },
        { "strength", "strength is 2" }, { "strength alone", "without a picture" }, { "few", "leaves none" },
        { "range", "shares from 0 to 1" }, { "padding", "no mask" }, { "padding alone", "no mask" }, { "refiner", "between 0 and 1" },
    };

    [Theory, MemberData(nameof(Requests))]
    public async Task ARequestThatMakesNoSense(string what, string reason)
    {
        Picture picture = Gradient(64, 64);
        StableDiffusionRequest plain = new(), request = what switch
        {
            "steps" => plain with { Steps = 0 },
            "negative steps" => plain with { Steps = -5 },
            "infinite guidance" => plain with { Guidance = double.PositiveInfinity },
            "many steps" => plain with { Steps = 1001 },
            "guidance" => plain with { Guidance = double.NaN },
            "rescale" => plain with { GuidanceRescale = 1.5 },
            "width" => plain with { Width = 63 },
            "zero" => plain with { Height = 0 },
            "huge" => plain with { Width = 100_000, Height = 100_000 },
            "prompt" => plain with { Prompt = new string('a', 1 << 20) },
            "negative" => plain with { NegativePrompt = new string('a', 1 << 20) },
            "count" => plain with { Count = 0 },
            "clip" => plain with { ClipSkip = -1 },
            "sampler" => plain with { Sampler = "abacus" },
            "schedule" => plain with { Schedule = "abacus" },
            "eta" => plain with { Sampler = "ddim", Eta = 2 },
            "mask alone" => plain with { Mask = picture },
            "mask size" => plain with { InitialPicture = picture, Mask = HalfMask(64, 56) },
            "strength" => plain with { InitialPicture = picture, Strength = 2 },
            "strength alone" => plain with { Strength = 0.5 },
            "few" => plain with { InitialPicture = picture, Strength = 0.1, Steps = 4, Sampler = "ddim" },
            "refiner" => plain with { RefinerStart = 1.5 },
            "range" => plain with { GuidanceStart = 0.7, GuidanceStop = 0.5 },
            "padding alone" => plain with { MaskPadding = 4 },
            _ => plain with { InitialPicture = picture, MaskPadding = 4 },
        };
        await using StableDiffusionPipeline pipeline = await Load(First);
        string message = Assert.Throws<MuralException>(() => pipeline.Plan(request)).Message;
        Assert.Contains(reason, message, StringComparison.Ordinal);
        Assert.EndsWith(".", message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("_class_name", "\"FluxPipeline\"", "holds a FluxPipeline")]
    [InlineData("_class_name", "\"StableDiffusion3Pipeline\"", "holds a StableDiffusion3Pipeline")]
    public async Task AModelOfAnotherKind(string key, string value, string reason)
    {
        string folder = PipelineModel.Copy(At(First)), index = Path.Combine(folder, "model_index.json");
        try
        {
            JsonNode json = JsonNode.Parse(File.ReadAllText(index))!;
            json[key] = JsonNode.Parse(value);
            File.WriteAllText(index, json.ToJsonString());
            Assert.Contains(reason, (await Assert.ThrowsAsync<MuralException>(() => Load(folder))).Message, StringComparison.Ordinal);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Theory]
    [InlineData("unet")]
    [InlineData("vae")]
    [InlineData("text_encoder")]
    [InlineData("scheduler")]
    [InlineData("tokenizer")]
    public async Task AModelWithoutAPart(string part)
    {
        string folder = PipelineModel.Copy(At(First));
        try
        {
            Directory.Delete(Path.Combine(folder, part), recursive: true);
            Assert.Contains(part, (await Assert.ThrowsAsync<MuralException>(() => Load(folder))).Message, StringComparison.Ordinal);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Theory]
    [InlineData("unet/diffusion_pytorch_model.safetensors")]
    [InlineData("vae/diffusion_pytorch_model.safetensors")]
    [InlineData("text_encoder/model.safetensors")]
    [InlineData("scheduler/scheduler_config.json")]
    [InlineData("tokenizer/merges.txt")]
    [InlineData("model_index.json")]
    public async Task AModelWithATruncatedOrMissingFile(string file)
    {
        string folder = PipelineModel.Copy(At(First)), path = Path.Combine(folder, file);
        try
        {
            byte[] content = File.ReadAllBytes(path);
            File.WriteAllBytes(path, content[..(content.Length / 2)]);
            Assert.EndsWith(".", (await Assert.ThrowsAsync<MuralException>(() => Load(folder))).Message, StringComparison.Ordinal);
            if (file == "model_index.json") return;
            File.Delete(path);
            Assert.Contains(Path.GetFileName(folder), (await Assert.ThrowsAsync<MuralException>(() => Load(folder))).Message, StringComparison.Ordinal);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public async Task PartsThatDoNotBelongTogether()
    {
        string folder = PipelineModel.Copy(At(First));
        try
        {
            AutoencoderConfig config = AutoencoderConfig.Read(Path.Combine(folder, "vae")) with { LatentChannels = 6 };
            using (var autoencoder = new AutoencoderKL(config)) autoencoder.Save(Path.Combine(folder, "vae"));
            Assert.Contains("latents of 6 channels", (await Assert.ThrowsAsync<MuralException>(() => Load(folder))).Message, StringComparison.Ordinal);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public async Task AControlNetOfAnotherFamily()
    {
        await using StableDiffusionPipeline pipeline = await Load(First);
        string message = (await Assert.ThrowsAsync<MuralException>(() => pipeline.LoadControlNetAsync(At("tiny-controlnet-sdxl"), TestContext.Current.CancellationToken))).Message;
        Assert.Contains("of the model's family", message, StringComparison.Ordinal);
    }
}
