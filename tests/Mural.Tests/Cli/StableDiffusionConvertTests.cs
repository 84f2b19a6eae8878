using System.Text.Json.Nodes;
using Mural.Checkpoints.StableDiffusion;
using Mural.Cli.CommandLine;
using Mural.Tests.Checkpoints.StableDiffusion;

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
                foreach ((string file, string precision) in new[] { ("model.safetensors", "keep"), ("model.safetensors", "f32"), ("model.ckpt", "bf16"), ("model.safetensors", "f16") }) rows.Add(name, file, precision);
            return rows;
        }
    }

    [Theory, MemberData(nameof(Cases))]
    public void AFolderGoesToOneFileAndBack(string name, string file, string precision)
    {
        using var folder = new TemporaryFolder();
        string original = TinyModels.Folder(name);
        CommandRun there = CommandRun.Of("convert", original, folder.At(file), "--precision", precision, "--json");
        Assert.Equal((ExitCode.Success, ""), (there.ExitCode, there.Error));
        // A single file brings no vocabulary: it is found beside.
        Directory.CreateDirectory(folder.At("tokenizer"));
        foreach (string vocabulary in (string[])["vocab.json", "merges.txt"]) File.Copy(Path.Combine(original, "tokenizer", vocabulary), Path.Combine(folder.At("tokenizer"), vocabulary));
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

    [Theory, MemberData(nameof(Models))]
    public void AFolderGoesToAnotherPrecision(string name)
    {
        using var folder = new TemporaryFolder();
        Assert.Equal(ExitCode.Success, CommandRun.Of("convert", TinyModels.Folder(name), folder.At("v1.5/"), "--precision", "bf16").ExitCode);
        using StableDiffusionCheckpoint before = StableDiffusionCheckpoint.Open(TinyModels.Folder(name)), after = StableDiffusionCheckpoint.Open(folder.At("v1.5"));
        foreach (StableDiffusionComponent component in before.Components.Values) TinyModels.AssertSame(component.Weights, after.Components[component.Name].Weights, bfloat16);
        // Every file of the tokenizers comes along.
        foreach (string tokenizer in Directory.GetDirectories(TinyModels.Folder(name), "tokenizer*"))
            Assert.Equal(Directory.GetFiles(tokenizer).Select(Path.GetFileName).Order(), Directory.GetFiles(folder.At(Path.Combine("v1.5", Path.GetFileName(tokenizer)))).Select(Path.GetFileName).Order());
    }

    public static TheoryData<string> Models => TinyModels.Names;

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

    private static void AssertSameJson(string expected, string actual) => Assert.True(JsonNode.DeepEquals(JsonNode.Parse(expected), JsonNode.Parse(actual)), actual);
}
