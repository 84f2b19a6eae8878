using System.Buffers.Binary;
using System.Text.Json.Nodes;
using Mural.Checkpoints;
using Mural.Checkpoints.StableDiffusion;
using Mural.Cli.CommandLine;
using Mural.Imaging;
using Mural.Tests.Goldens;
using Mural.Tests.Pipelines;

namespace Mural.Tests.Cli;

/// <summary>Models, adapters and pictures that <c>mural generate</c> cannot use: one sentence each that ends the command, and no file.</summary>
public sealed class GenerateWrongInputTests : IDisposable
{
    private const string Weights = "diffusion_pytorch_model.safetensors";

    private readonly TemporaryFolder _folder = new();
    private string? _model;

    public static TheoryData<string, string> Folders => new()
    {
        { "truncated unet", "the file has only" }, { "truncated vae", "the file has only" },
        { "truncated text_encoder", "the file has only" }, { "empty unet", "is empty where a checkpoint was expected" },
        { "truncated config", "not valid JSON" }, { "another unet's weights", "does not fit UNet2DConditionModel" }, { "another family's unet", "has no text_encoder_2" },
        { "another family's text encoder", "use parts that belong together" }, { "another pipeline", "holds a FluxPipeline" },
        { "another network", "describes SD3Transformer2DModel" },
        { "no unet", "there is no unet" }, { "no vae", "there is no vae" }, { "no text_encoder", "there is no text_encoder" },
        { "no tokenizer", "holds no tokenizer" }, { "no scheduler", "scheduler_config.json" },
    };

    public static TheoryData<string, string> Files => new()
    {
        { "truncated", "the file has only" }, { "no vae", "give an autoencoder with --vae" },
        { "no text encoder", "text features of 32 channels" }, { "no unet", "lacks the UNet's first convolution" },
        { "misshapen", "does not fit UNet2DConditionModel" }, { "Flux", "holds Flux" }, { "LoRA", "holds a LoRA" },
        { "ControlNet", "holds a ControlNet" }, { "text", "plain text" },
    };

    public void Dispose()
    {
        _folder.Dispose();
        if (_model is not null) Directory.Delete(_model, recursive: true);
    }

    [GoldenTheory, MemberData(nameof(Folders))]
    public void AFolder(string what, string reason)
    {
        _model = PipelineModel.Copy(TinyStableDiffusion.At(TinyStableDiffusion.First));
        string At(string name) => Path.Combine(_model, name);
        string other = TinyStableDiffusion.At(TinyStableDiffusion.XL);
        switch (what)
        {
            case "truncated unet" or "truncated vae":
                Cut(At(Path.Combine(what.Split(' ')[1], Weights)));
                break;
            case "truncated text_encoder":
                Cut(At("text_encoder/model.safetensors"));
                break;
            case "empty unet":
                File.WriteAllText(At("unet/" + Weights), "");
                break;
            case "truncated config":
                Cut(At("unet/config.json"));
                break;
            case "another unet's weights":
                Overwrite(Path.Combine(other, "unet", Weights), At("unet/" + Weights));
                break;
            case "another family's unet":
                foreach (string file in (string[])["config.json", Weights]) Overwrite(Path.Combine(other, "unet", file), At("unet/" + file));
                break;
            case "another family's text encoder":
                foreach (string file in (string[])["config.json", "model.safetensors"]) Overwrite(Path.Combine(other, "text_encoder_2", file), At("text_encoder/" + file));
                break;
            case "another pipeline":
                SetClass(At("model_index.json"), "FluxPipeline");
                break;
            case "another network":
                SetClass(At("unet/config.json"), "SD3Transformer2DModel");
                break;
            default:
                Directory.Delete(At(what["no ".Length..]), recursive: true);
                break;
        }
        AssertRefused(_model, "", reason, _model);
    }

    [GoldenTheory, MemberData(nameof(Files))]
    public void ASingleFile(string what, string reason)
    {
        string file = _folder.At("model.safetensors");
        string[] kept = what switch
        {
            "no vae" => ["unet", "text_encoder"],
            "no text encoder" => ["unet", "vae"],
            "no unet" => ["vae", "text_encoder"],
            _ => ["unet", "vae", "text_encoder"]
        };
        if (what == "text") File.WriteAllText(file, "404: this model is not here any more");
        else Save(file, kept, what switch
        {
            "Flux" => "double_blocks.0.img_attn.qkv.weight",
            "LoRA" => "lora_unet_mid.lora_down.weight",
            "ControlNet" => "control_model.input_hint_block.0.weight",
            _ => null
        }, misshapen: what == "misshapen");
        if (what == "truncated") Cut(file);
        AssertRefused(file, "", reason, file);
    }

    [Theory]
    [InlineData(TinyStableDiffusion.First, "kohya-sdxl-sgm.safetensors")]
    [InlineData(TinyStableDiffusion.XL, "kohya-sd15.safetensors")]
    public void ALoraOfAnotherFamily(string model, string lora) =>
        AssertRefused(TinyStableDiffusion.At(model), $"--lora {Adapter(lora)}:0.5", "use one that was made for this family of models", Adapter(lora));

    [Fact]
    public void AnIpAdapterOfAnotherFamily() => AssertRefused(
        TinyStableDiffusion.At(TinyStableDiffusion.XL), $"--ip-adapter model={Adapter("ip-adapter_sd15.safetensors")},image={Plain()}",
        "of the model's family", Adapter("ip-adapter_sd15.safetensors"));

    [Theory]
    [InlineData("tiny-controlnet-sdxl", "of the model's family")]
    [InlineData("tiny-controlnet-sdxl/diffusion_pytorch_model.safetensors", "of the model's family")]
    [InlineData("tiny-sd15/unet/diffusion_pytorch_model.safetensors", "holds no ControlNet")]
    public void AControlNetOfAnotherFamilyOrNone(string path, string reason) =>
        AssertRefused(TinyStableDiffusion.At(TinyStableDiffusion.First), $"--control type={TinyStableDiffusion.At(path)},image={Plain()}", reason, path);

    [Theory]
    [InlineData("--init-image PICTURE", 0, 0, "claims 0x0 pixels")]
    [InlineData("--init-image PICTURE", 64, 0, "claims 64x0 pixels")]
    [InlineData("--init-image PICTURE", 100_000, 100_000, "claims 100000x100000 pixels")]
    [InlineData("--init-image PLAIN --mask PICTURE", 0, 0, "claims 0x0 pixels")]
    [InlineData("--init-image PLAIN --mask PICTURE", 100_000, 100_000, "claims 100000x100000 pixels")]
    [InlineData("--control type=canny,image=PICTURE", 100_000, 100_000, "claims 100000x100000 pixels")]
    [InlineData("--ip-adapter model=x,image=PICTURE", 0, 0, "claims 0x0 pixels")]
    public void APictureOfAnImpossibleSize(string options, int width, int height, string reason)
    {
        string picture = _folder.At("claims.png");
        using (FileStream file = File.Create(picture))
        {
            file.Write([0x89, .. "PNG\r\n\u001a\n"u8]);
            byte[] header = new byte[13];
            BinaryPrimitives.WriteInt32BigEndian(header, width);
            BinaryPrimitives.WriteInt32BigEndian(header.AsSpan(4), height);
            // Eight bits of red, green and blue.
            (header[8], header[9]) = (8, 2);
            PngChunk.Write(file, "IHDR", header);
            PngChunk.Write(file, "IDAT", []);
            PngChunk.Write(file, "IEND", []);
        }
        string given = options.Replace("PICTURE", picture, StringComparison.Ordinal).Replace("PLAIN", Plain(), StringComparison.Ordinal);
        AssertRefused(TinyStableDiffusion.At(TinyStableDiffusion.First), given, reason, picture);
    }

    [Fact]
    public void AnEmptyPicture()
    {
        File.WriteAllText(_folder.At("empty.png"), "");
        AssertRefused(TinyStableDiffusion.At(TinyStableDiffusion.First), $"--init-image {_folder.At("empty.png")}", "is empty", _folder.At("empty.png"));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void APromptOfAMegabyte(bool negative)
    {
        string text = new('x', 1 << 20);
        CommandRun run = Run(TinyStableDiffusion.At(TinyStableDiffusion.First), negative ? "fox" : text, negative ? ["--negative", text] : []);
        AssertRefused(run, "has 1048576 characters, but at most 65536 are read", "shorten it");
    }

    private void AssertRefused(string model, string options, string reason, string named) =>
        AssertRefused(Run(model, "fox", options.Split(' ', StringSplitOptions.RemoveEmptyEntries)), reason, named);

    private void AssertRefused(CommandRun run, string reason, string named)
    {
        Assert.Equal((ExitCode.Problem, ""), (run.ExitCode, run.Out));
        string problem = Assert.Single(run.Problems);
        Assert.Contains(reason, problem, StringComparison.Ordinal);
        Assert.Contains(named, problem, StringComparison.Ordinal);
        Assert.EndsWith(".", problem, StringComparison.Ordinal);
        Assert.DoesNotContain("unexpected went wrong", problem, StringComparison.Ordinal);
        Assert.Empty(Directory.GetFileSystemEntries(_folder.At("out")));
    }

    private CommandRun Run(string model, string prompt, string[] options)
    {
        Directory.CreateDirectory(_folder.At("out"));
        return CommandRun.Generate(model, prompt, ["--size", "64x64", "--steps", "2", "--precision", "f32", "--device", "cpu", .. options, "-o", _folder.At("out/fox.png")]);
    }

    // A single file with some of the model's parts, and perhaps a tensor that tells another model, or one of another shape.
    private static void Save(string path, string[] components, string? foreign, bool misshapen)
    {
        using var scope = NewDisposeScope();
        using StableDiffusionCheckpoint model = StableDiffusionCheckpoint.Open(TinyStableDiffusion.At(TinyStableDiffusion.First));
        string whole = path + ".whole";
        StableDiffusionWriter.SaveFile(model, whole);
        var prefixes = new Dictionary<string, string> { ["unet"] = "model.diffusion_model.", ["vae"] = "first_stage_model.", ["text_encoder"] = "cond_stage_model." };
        var tensors = new Dictionary<string, Tensor>();
        using (SafetensorsFile file = SafetensorsFile.Open(whole))
            foreach (string name in file.Tensors.Keys.Where(name => components.Any(component => name.StartsWith(prefixes[component], StringComparison.Ordinal))))
                tensors.Add(name, file.Read(name));
        if (foreign is not null) tensors.Clear();
        if (foreign is not null) tensors.Add(foreign, zeros(1, 1));
        if (misshapen) tensors["model.diffusion_model.middle_block.0.in_layers.2.weight"] = zeros(64, 32, 3, 3);
        SafetensorsWriter.Save(path, tensors);
        File.Delete(whole);
    }

    private string Plain()
    {
        string path = _folder.At("plain.png");
        PictureWriter.Write(path, new Picture(64, 64, 3));
        return path;
    }

    private static string Adapter(string file) => GoldenCase.Adapter(file);

    private static void SetClass(string path, string name)
    {
        JsonNode json = JsonNode.Parse(File.ReadAllText(path))!;
        json["_class_name"] = name;
        File.WriteAllText(path, json.ToJsonString());
    }

    private static void Overwrite(string source, string target) => File.WriteAllBytes(target, File.ReadAllBytes(source));

    private static void Cut(string path)
    {
        byte[] content = File.ReadAllBytes(path);
        File.WriteAllBytes(path, content[..(content.Length / 2)]);
    }
}
