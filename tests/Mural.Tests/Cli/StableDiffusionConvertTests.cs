using System.Text.Json.Nodes;
using Mural.Checkpoints;
using Mural.Checkpoints.StableDiffusion;
using Mural.Cli.CommandLine;
using Mural.Tests.Checkpoints.StableDiffusion;
using Mural.Tests.Goldens;

namespace Mural.Tests.Cli;

/// <summary><c>mural convert</c> between the layouts of Stable Diffusion.</summary>
public class StableDiffusionConvertTests
{
    public static TheoryData<string, string, string> Cases
    {
        get
        {
            var rows = new TheoryData<string, string, string>();
            foreach (string name in TinyModels.Names.Select(row => row.Data))
                foreach ((string file, string precision) in new[]
                {
                    ("model.safetensors", "keep"), ("model.safetensors", "f32"), ("model.ckpt", "bf16"), ("model.safetensors", "f16")
                })
                    rows.Add(name, file, precision);
            return rows;
        }
    }

    [GoldenTheory, MemberData(nameof(Cases))]
    public void AFolderGoesToOneFileAndBack(string name, string file, string precision)
    {
        using var folder = new TemporaryFolder();
        string original = TinyModels.Folder(name);
        CommandRun there = CommandRun.Of("convert", original, folder.At(file), "--precision", precision, "--json");
        Assert.Equal((ExitCode.Success, ""), (there.ExitCode, there.Error));
        // A single file brings no vocabulary: it is found beside.
        Directory.CreateDirectory(folder.At("tokenizer"));
        foreach (string vocabulary in (string[])["vocab.json", "merges.txt"])
            File.Copy(Path.Combine(original, "tokenizer", vocabulary), Path.Combine(folder.At("tokenizer"), vocabulary));
        CommandRun back = CommandRun.Of("convert", folder.At(file), folder.At("again"), "--json");
        Assert.Equal(ExitCode.Success, back.ExitCode);
        Assert.Equal(there.Json["parameters"]!.GetValue<long>(), back.Json["parameters"]!.GetValue<long>());

        ScalarType? type = precision switch { "f32" => float32, "bf16" => bfloat16, "f16" => float16, _ => null };
        using StableDiffusionCheckpoint before = StableDiffusionCheckpoint.Open(original), after = StableDiffusionCheckpoint.Open(folder.At("again"));
        Assert.Equal(before.Family, after.Family);
        Assert.Equal(before.Components.Keys.Order(), after.Components.Keys.Order());
        foreach (StableDiffusionComponent component in before.Components.Values)
        {
            TinyModels.AssertSame(component.Weights, after.Components[component.Name].Weights, type);
            if (component.Name.StartsWith("text", StringComparison.Ordinal))
                Assert.Equal(before.LoadTokenizer(component.Name).EncodeWindow("a cat!"), after.LoadTokenizer(component.Name).EncodeWindow("a cat!"));
            // Files of torch.save hold no texts, so that only shapes tell the architecture.
            if (file.EndsWith(".ckpt", StringComparison.Ordinal)) continue;
            AssertSameJson(component.Config, after.Components[component.Name].Config);
        }
        if (file.EndsWith(".ckpt", StringComparison.Ordinal)) return;
        AssertSameJson(before.Index, after.Index);
        AssertSameJson(before.Scheduler, after.Scheduler);
    }

    [Theory]
    [InlineData("model.ckpt")]
    [InlineData("model.safetensors")]
    public void AFileTellsThatTheModelPredictsVelocities(string file)
    {
        using var folder = new TemporaryFolder();
        string original = Pipelines.PipelineModel.Copy(TinyModels.Folder("tiny-sdxl")), config = Path.Combine(original, "scheduler", "scheduler_config.json");
        JsonNode json = JsonNode.Parse(File.ReadAllText(config))!;
        (json["prediction_type"], json["rescale_betas_zero_snr"]) = ("v_prediction", true);
        File.WriteAllText(config, json.ToJsonString());
        Assert.Equal(ExitCode.Success, CommandRun.Of("convert", original, folder.At(file)).ExitCode);
        Directory.Delete(original, recursive: true);
        using (ITensorSource written = Checkpoint.Open(folder.At(file)))
            Assert.All(new[] { "v_pred", "ztsnr" }, mark => Assert.Equal(0, written.Tensors[mark].Elements));
        using StableDiffusionCheckpoint back = StableDiffusionCheckpoint.Open(folder.At(file));
        JsonNode scheduler = JsonNode.Parse(back.Scheduler)!;
        Assert.Equal("v_prediction", scheduler["prediction_type"]!.GetValue<string>());
        Assert.True(scheduler["rescale_betas_zero_snr"]!.GetValue<bool>());
        Assert.False(back.PredictionIsGuessed);
    }

    [GoldenTheory, MemberData(nameof(Models))]
    public void AFolderGoesToAnotherPrecision(string name)
    {
        using var folder = new TemporaryFolder();
        Assert.Equal(ExitCode.Success, CommandRun.Of("convert", TinyModels.Folder(name), folder.At("v1.5/"), "--precision", "bf16").ExitCode);
        using StableDiffusionCheckpoint before = StableDiffusionCheckpoint.Open(TinyModels.Folder(name)), after = StableDiffusionCheckpoint.Open(folder.At("v1.5"));
        foreach (StableDiffusionComponent component in before.Components.Values) TinyModels.AssertSame(component.Weights, after.Components[component.Name].Weights, bfloat16);
        // Every file of the tokenizers comes along.
        foreach (string tokenizer in Directory.GetDirectories(TinyModels.Folder(name), "tokenizer*"))
            Assert.Equal(
                Directory.GetFiles(tokenizer).Select(Path.GetFileName).Order(),
                Directory.GetFiles(folder.At(Path.Combine("v1.5", Path.GetFileName(tokenizer)))).Select(Path.GetFileName).Order());
    }

    public static TheoryData<string> Models => TinyModels.Names;

    [GoldenTheory, MemberData(nameof(Models))]
    public void WeightsGoIntoShardsOfASizeAndBack(string name)
    {
        using var folder = new TemporaryFolder();
        string[] shards = ["--max-shard-size", "300KB"];
        Assert.Equal((ExitCode.Success, ""), Short(CommandRun.Of(["convert", TinyModels.Folder(name), folder.At("copy"), .. shards])));
        string unet = folder.At("copy/unet"), index = Path.Combine(unet, "diffusion_pytorch_model.safetensors.index.json");
        Assert.True(File.Exists(index));
        Assert.False(File.Exists(Path.Combine(unet, "diffusion_pytorch_model.safetensors")));
        Assert.All(Directory.GetFiles(unet, "*-of-*.safetensors"), file => Assert.InRange(new FileInfo(file).Length, 1, 400_000));
        AssertSameWeights(TinyModels.Folder(name), folder.At("copy"));

        // The same places in one file each, and again in shards: what was there before is gone.
        Assert.Equal(ExitCode.Success, CommandRun.Of("convert", TinyModels.Folder(name), folder.At("copy"), "--force").ExitCode);
        Assert.Equal(["config.json", "diffusion_pytorch_model.safetensors"], Directory.GetFiles(unet).Select(Path.GetFileName).Order(StringComparer.Ordinal));
        Assert.Equal(ExitCode.Success, CommandRun.Of(["convert", TinyModels.Folder(name), folder.At("copy"), "--force", "--precision", "bf16", .. shards]).ExitCode);
        Assert.False(File.Exists(Path.Combine(unet, "diffusion_pytorch_model.safetensors")));
        AssertSameWeights(TinyModels.Folder(name), folder.At("copy"), bfloat16);

        CommandRun single = CommandRun.Of(["convert", TinyModels.Folder(name), folder.At("model.safetensors"), "--json", .. shards]);
        Assert.True(single.ExitCode == ExitCode.Success, single.Error);
        Assert.Equal("sharded safetensors", single.Json["format"]!.GetValue<string>());
        Assert.Equal(ExitCode.Problem, CommandRun.Of("convert", TinyModels.Folder(name), folder.At("model.safetensors")).ExitCode);
        CopyVocabulary(TinyModels.Folder(name), folder);
        AssertSameWeights(TinyModels.Folder(name), folder.At("model.safetensors.index.json"));
    }

    [Theory]
    [InlineData("model.ckpt", "2GB", ExitCode.Problem, "cannot be written in shards")]
    [InlineData("model.safetensors", "much", ExitCode.Usage, "--max-shard-size takes a size such as 500MB or 2GB, not 'much'")]
    [InlineData("model.safetensors", "0", ExitCode.Usage, "--max-shard-size takes a size")]
    public void AWrongSizeOfShardsIsOneSentence(string output, string size, int exitCode, string reason)
    {
        using var folder = new TemporaryFolder();
        CommandRun run = CommandRun.Of("convert", TinyModels.Folder("tiny-sd15"), folder.At(output), "--max-shard-size", size);
        Assert.Equal(exitCode, run.ExitCode);
        Assert.Contains(reason, Assert.Single(run.Problems), StringComparison.Ordinal);
        Assert.Empty(Directory.GetFileSystemEntries(folder.Path));
    }

    [Theory]
    [InlineData("500MB", 500_000_000)]
    [InlineData("1.5 gib", 1_610_612_736)]
    [InlineData("2GB", 2_000_000_000)]
    [InlineData("10k", 10_000)]
    [InlineData("7", 7)]
    [InlineData("7B", 7)]
    public void SizesAreWrittenWithUnits(string text, long bytes)
    {
        Assert.True(ByteSize.TryParse(text, out long actual));
        Assert.Equal(bytes, actual);
    }

    [Theory]
    [InlineData("tiny-sd15")]
    [InlineData("tiny-sdxl")]
    public void FoldersOfAnyAgeBecomeTodays(string name)
    {
        using var folder = new TemporaryFolder();
        string old = folder.At("old");
        Assert.Equal(ExitCode.Success, CommandRun.Of("convert", TinyModels.Folder(name), old).ExitCode);
        // As diffusers before 0.17 and transformers since 5.6 save them, with an autoencoder whose attention is of convolutions.
        Rename(Path.Combine(old, "unet/diffusion_pytorch_model.safetensors"), tensor => tensor.Replace(".to_out.0.", ".to_out.", StringComparison.Ordinal), _ => false);
        Rename(
            Path.Combine(old, "vae/diffusion_pytorch_model.safetensors"),
            tensor => tensor.Replace(".to_q.", ".query.", StringComparison.Ordinal).Replace(".to_k.", ".key.", StringComparison.Ordinal)
                .Replace(".to_v.", ".value.", StringComparison.Ordinal).Replace(".to_out.0.", ".proj_attn.", StringComparison.Ordinal),
            tensor => tensor.Contains(".attentions.", StringComparison.Ordinal));
        Rename(Path.Combine(old, "text_encoder/model.safetensors"), tensor => tensor.Replace("text_model.", "", StringComparison.Ordinal), _ => false);
        foreach (string output in (string[])["new", "new.safetensors"])
        {
            CommandRun run = CommandRun.Of("convert", old, folder.At(output));
            Assert.True(run.ExitCode == ExitCode.Success, run.Error);
        }
        foreach (string part in (string[])["unet/diffusion_pytorch_model.safetensors", "vae/diffusion_pytorch_model.safetensors", "text_encoder/model.safetensors"])
        {
            using SafetensorsFile today = SafetensorsFile.Open(Path.Combine(folder.At("new"), part));
            Assert.DoesNotContain(today.Tensors.Keys, tensor => tensor.Contains(".query.", StringComparison.Ordinal)
                || tensor.Contains("proj_attn", StringComparison.Ordinal) || tensor.Contains(".to_out.weight", StringComparison.Ordinal));
        }
        CopyVocabulary(old, folder);
        AssertSameWeights(TinyModels.Folder(name), folder.At("new"));
        AssertSameWeights(TinyModels.Folder(name), folder.At("new.safetensors"));
    }

    [Fact]
    public void AnAutoencoderKeepsItsPrecisionUnlessAskedOtherwise()
    {
        using var folder = new TemporaryFolder();
        string original = Path.Combine(TinyModels.Folder("tiny-sd15"), "vae");
        Assert.Equal(ExitCode.Success, CommandRun.Of("convert", original, folder.At("half"), "--precision", "f16", "--max-shard-size", "300KB").ExitCode);
        Assert.Equal(ExitCode.Success, CommandRun.Of("convert", folder.At("half"), folder.At("again")).ExitCode);
        using ITensorSource half = Checkpoint.Open(folder.At("half")), again = Checkpoint.Open(folder.At("again")), whole = Checkpoint.Open(original);
        Assert.IsType<ShardedSafetensors>(half);
        Assert.All(again.Tensors.Values, tensor => Assert.Equal(float16, tensor.Type));
        TinyModels.AssertSame(half, again);
        Assert.Equal(whole.Tensors.Count, half.Tensors.Count);
    }

    [Fact]
    public void AStoppedConversionLeavesNothing()
    {
        using var folder = new TemporaryFolder();
        var stopped = new CancellationToken(canceled: true);
        Assert.Equal(ExitCode.Cancelled, CommandRun.Of(stopped, "convert", TinyModels.Folder("tiny-sd15"), folder.At("model.safetensors")).ExitCode);
        Assert.Equal(ExitCode.Cancelled, CommandRun.Of(stopped, "convert", TinyModels.Folder("tiny-sd15"), folder.At("copy")).ExitCode);
        Assert.Empty(Directory.GetFileSystemEntries(folder.Path));
    }

    [Fact]
    public void AForcedFolderKeepsOtherFiles()
    {
        using var folder = new TemporaryFolder();
        Directory.CreateDirectory(folder.At("copy/unet"));
        File.WriteAllText(folder.At("copy/notes.txt"), "mine");
        File.WriteAllText(folder.At("copy/unet/config.json"), "old");
        Assert.Equal(ExitCode.Problem, CommandRun.Of("convert", TinyModels.Folder("tiny-sd15"), folder.At("copy")).ExitCode);
        Assert.Equal(ExitCode.Success, CommandRun.Of("convert", TinyModels.Folder("tiny-sd15"), folder.At("copy"), "--force").ExitCode);
        Assert.Equal("mine", File.ReadAllText(folder.At("copy/notes.txt")));
        using StableDiffusionCheckpoint copy = StableDiffusionCheckpoint.Open(folder.At("copy"));
        Assert.Equal(4, copy.UNetConfig.InChannels);
        Assert.Equal([folder.At("copy")], Directory.GetFileSystemEntries(folder.Path));
    }

    private static (int, string) Short(CommandRun run) => (run.ExitCode, run.Error);

    // A single file brings no vocabulary: it is found beside.
    private static void CopyVocabulary(string model, TemporaryFolder folder)
    {
        Directory.CreateDirectory(folder.At("tokenizer"));
        foreach (string vocabulary in (string[])["vocab.json", "merges.txt"])
            File.Copy(Path.Combine(model, "tokenizer", vocabulary), Path.Combine(folder.At("tokenizer"), vocabulary), overwrite: true);
    }

    private static void AssertSameWeights(string expected, string actual, ScalarType? type = null)
    {
        using StableDiffusionCheckpoint before = StableDiffusionCheckpoint.Open(expected), after = StableDiffusionCheckpoint.Open(actual);
        Assert.Equal(before.Components.Keys.Order(), after.Components.Keys.Order());
        foreach (StableDiffusionComponent component in before.Components.Values) TinyModels.AssertSame(component.Weights, after.Components[component.Name].Weights, type);
    }

    private static void Rename(string path, Func<string, string> rename, Func<string, bool> convolves)
    {
        using var scope = NewDisposeScope();
        Dictionary<string, Tensor> tensors;
        using (SafetensorsFile file = SafetensorsFile.Open(path))
            tensors = file.Tensors.Keys.ToDictionary(
                rename, name => file.Read(name) is { } tensor && convolves(name) && tensor.dim() == 2 ? tensor.reshape([.. tensor.shape, 1, 1]) : file.Read(name));
        SafetensorsWriter.Save(path, tensors);
    }

    private static void AssertSameJson(string expected, string actual) => Assert.True(JsonNode.DeepEquals(JsonNode.Parse(expected), JsonNode.Parse(actual)), actual);
}
