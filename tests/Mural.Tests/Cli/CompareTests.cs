using System.Text.Json.Nodes;
using Mural.Cli.CommandLine;
using Mural.Imaging;
using Mural.Tests.Goldens;
using Mural.Tests.LinFusion;
using Mural.Tests.Pipelines;

namespace Mural.Tests.Cli;

/// <summary><c>mural compare</c>.</summary>
[Trait("Area", "hidiffusion")]
public sealed class CompareTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void FourPicturesLieOnOneSheetWithTheirTimes()
    {
        CommandRun run = Compare($"--model {TinyStableDiffusion.At(TinyStableDiffusion.First)} --size 144x136 --steps 4 --seed 3 --precision f32 --device cpu --t2 0.25 --json");
        Assert.True(run.ExitCode == ExitCode.Success, run.Error);
        Assert.Equal(["plain", "RAU-Net only", "windows only", "both"], run.Json["pictures"]!.AsArray().Select(picture => picture!["name"]!.GetValue<string>()));
        Assert.All(run.Json["pictures"]!.AsArray(), picture => Assert.True(picture!["seconds"]!.GetValue<double>() > 0));
        Assert.Equal("auto T2=0.25", run.Json["hiDiffusion"]!.GetValue<string>());
        Picture sheet = PictureReader.Read(_folder.At("sheet.png"));
        Assert.True(sheet.Width > 2 * 144 && sheet.Height > 2 * 136);
        // All four differ.
        string[] cells = [.. from row in Enumerable.Range(0, 2) from column in Enumerable.Range(0, 2)
            select Convert.ToHexString(sheet.Crop(4 + column * 148, 4 + row * (sheet.Height - 4) / 2, 144, 130).Data)];
        Assert.Equal(4, cells.Distinct().Count());
    }

    // A setting that leaves the sheet as it is would not have been taken.
    [Fact]
    public void WhateverPicturesArePaintedWithIsCompared()
    {
        PictureWriter.Write(_folder.At("start.png"), TinyStableDiffusion.Gradient(144, 136));
        string start = _folder.At("start.png"), model = $"--model {TinyStableDiffusion.At(TinyStableDiffusion.First)} --steps 4 --seed 3 --precision f32 --device cpu --json";
        string[] settings =
        [
            "--size 144x136",
            $"--size 144x136 --lora {LinFusionGoldens.Beside("weights/lora-tiny-sd15.safetensors")}:0.7",
            $"--size 144x136 --control type={TinyStableDiffusion.At("tiny-controlnet-sd15")},image={start}",
            $"--size 144x136 --ip-adapter model={GoldenCase.Adapter("ip-adapter_sd15.safetensors")},image={start},scale=0.7",
            $"--size 144x136 --linfusion {LinFusionGoldens.Beside("weights/tiny-sd15")}",
            $"--init-image {start} --strength 0.5 --memory 100GB",
        ];
        var pictures = new HashSet<string>();
        foreach (string setting in settings)
        {
            CommandRun run = Compare($"{model} {setting}");
            Assert.True(run.ExitCode == ExitCode.Success, run.Error);
            Assert.Equal((144, 136), (run.Json["width"]!.GetValue<int>(), run.Json["height"]!.GetValue<int>()));
            Picture sheet = PictureReader.Read(_folder.At("sheet.png"));
            // The plain picture without the label, in which the time stands.
            Assert.True(pictures.Add(Convert.ToHexString(sheet.Crop(4, 4, 144, 130).Data)), setting);
        }
    }

    // Such a sampler refuses fewer than four steps.
    [Fact]
    public void PndmWithRungeKuttaStepsIsComparedToo()
    {
        string model = PipelineModel.Copy(TinyStableDiffusion.At(TinyStableDiffusion.First)), config = Path.Combine(model, "scheduler", "scheduler_config.json");
        JsonNode json = JsonNode.Parse(File.ReadAllText(config))!;
        (json["_class_name"], json["skip_prk_steps"]) = ("PNDMScheduler", false);
        File.WriteAllText(config, json.ToJsonString());
        CommandRun run = Compare($"--model {model} --size 144x136 --steps 4 --seed 3 --precision f32 --device cpu --json");
        Directory.Delete(model, recursive: true);
        Assert.True(run.ExitCode == ExitCode.Success, run.Error);
    }

    [Theory]
    [InlineData("--model emoji", "DiM")]
    [InlineData("--hidiffusion=off", "nothing to compare")]
    [InlineData("--memory-mode strips", "leave out --memory-mode")]
    public void WhatCannotBeComparedIsOneSentence(string options, string sentence)
    {
        string model = options.Contains("--model", StringComparison.Ordinal) ? "" : $"--model {TinyStableDiffusion.At(TinyStableDiffusion.First)} ";
        Assert.Contains(sentence, Assert.Single(Compare(model + options).Problems), StringComparison.Ordinal);
    }

    private CommandRun Compare(string options) => CommandRun.Of(["compare", "a fox", .. options.Split(' '), "-o", _folder.At("sheet.png")]);
}
