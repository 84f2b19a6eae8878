using Mural.Checkpoints;
using Mural.Checkpoints.SingleFile;
using Mural.Checkpoints.StableDiffusion;
using Mural.Cli.CommandLine;
using Mural.Cli.Painting;
using Mural.Imaging;
using Mural.Pipelines;
using Mural.Tests.Goldens;
using Mural.Tests.Pipelines;

namespace Mural.Tests.Cli;

/// <summary><c>mural generate</c> with models of Stable Diffusion.</summary>
public sealed class GenerateDiffusionTests : IDisposable
{
    private const string Fast = "--size 64x64 --steps 2 --seed 3 --precision f32 --device cpu";

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(TinyStableDiffusion.First, 2)]
    [InlineData(TinyStableDiffusion.Second, 3)]
    [InlineData(TinyStableDiffusion.XL, 3)]
    public async Task PaintsWhatTheLibraryPaints(string model, int clipSkip)
    {
        CommandRun run = Generate(
            model, "a red fox", $"{Fast} --negative blurry --guidance 4 --sampler euler-a --schedule trailing --clip-skip {clipSkip} --guidance-rescale 0.3 --json", "fox.png");
        Assert.True(run.ExitCode == ExitCode.Success, run.Error);
        Assert.Equal("euler-a", run.Json["sampler"]!.GetValue<string>());
        await using StableDiffusionPipeline pipeline = await TinyStableDiffusion.Load(model);
        var request = new StableDiffusionRequest
        {
            Prompt = "a red fox",
            NegativePrompt = "blurry",
            Guidance = 4,
            Sampler = "euler-a",
            Schedule = "trailing",
            ClipSkip = 1,
            GuidanceRescale = 0.3,
            Width = 64,
            Height = 64,
            Steps = 2,
            Seed = 3,
        };
        Assert.Equal(await TinyStableDiffusion.Paint(pipeline, request), PictureReader.Read(_folder.At("fox.png")).Data);
        string text = PictureReader.Identify(_folder.At("fox.png")).Metadata.Parameters!;
        Assert.StartsWith(
            "a red fox\nNegative prompt: blurry\nSteps: 2, Sampler: Euler a, Schedule type: trailing, CFG scale: 4, Seed: 3, Size: 64x64, Model: ",
            text, StringComparison.Ordinal);
        Assert.Contains($"Clip skip: {clipSkip}, RNG: CPU", text, StringComparison.Ordinal);
    }

    // 2 is what other programs take for these families where nothing is asked for.
    [Theory]
    [InlineData(TinyStableDiffusion.Second)]
    [InlineData(TinyStableDiffusion.XL)]
    public void OpenClipsUsualLayerIsTheSecond(string model)
    {
        foreach (string options in (string[])["", " --clip-skip 1", " --clip-skip 2", " --clip-skip 3"])
            Assert.Equal(ExitCode.Success, Generate(model, "fox", Fast + options, $"fox{options.Length}{options.LastOrDefault('0')}.png").ExitCode);
        byte[] usual = PictureReader.Read(_folder.At("fox00.png")).Data;
        Assert.Equal(usual, PictureReader.Read(_folder.At("fox141.png")).Data);
        Assert.Equal(usual, PictureReader.Read(_folder.At("fox142.png")).Data);
        Assert.NotEqual(usual, PictureReader.Read(_folder.At("fox143.png")).Data);
        Assert.Null(SharedParameters.Of(_folder.At("fox142.png")).ClipSkip);
        CommandRun again = Generate(model, null, $"--like {_folder.At("fox143.png")} --device cpu", "again.png");
        Assert.True(again.ExitCode == ExitCode.Success, again.Error);
        Assert.Equal(PictureReader.Read(_folder.At("fox143.png")).Data, PictureReader.Read(_folder.At("again.png")).Data);
    }

    [Fact]
    public void APictureIsChangedAndRepainted()
    {
        PictureWriter.Write(_folder.At("start.png"), TinyStableDiffusion.Gradient(64, 64));
        PictureWriter.Write(_folder.At("mask.png"), TinyStableDiffusion.HalfMask(64, 64));
        const string Options = "--steps 4 --seed 3 --precision f32 --device cpu --sampler ddim";
        CommandRun changed = Generate(TinyStableDiffusion.First, "fox", $"{Options} --init-image {_folder.At("start.png")} --strength 0.5 --json", "changed.png");
        CommandRun repainted = Generate(
            TinyStableDiffusion.First, "fox", $"{Options} --init-image {_folder.At("start.png")} --mask {_folder.At("mask.png")} --json", "repainted.png");
        Assert.True(changed.ExitCode == ExitCode.Success && repainted.ExitCode == ExitCode.Success, changed.Error + repainted.Error);
        Assert.Equal((2, 4), (changed.Json["calls"]!.GetValue<int>(), repainted.Json["calls"]!.GetValue<int>()));
        Assert.Contains("Denoising strength: 0.5", PictureReader.Identify(_folder.At("changed.png")).Metadata.Parameters, StringComparison.Ordinal);
        Assert.NotEqual(PictureReader.Read(_folder.At("changed.png")).Data, PictureReader.Read(_folder.At("repainted.png")).Data);
    }

    [Fact]
    public void ControlNetsAndIpAdaptersAreFollowed()
    {
        PictureWriter.Write(_folder.At("map.png"), TinyStableDiffusion.Gradient(64, 64));
        string network = TinyStableDiffusion.At("tiny-controlnet-sd15"), adapter = GoldenCase.Adapter("ip-adapter_sd15.safetensors");
        string[] options =
        [
            "",
            $"--control type={network},image={_folder.At("map.png")},scale=0.8",
            $"--control type={network},image={_folder.At("map.png")},scale=0.8,end=0.5,guess=true",
            $"--ip-adapter model={adapter},image={_folder.At("map.png")},scale=0.7",
        ];
        var pictures = new HashSet<string>();
        foreach (string option in options)
        {
            CommandRun run = Generate(TinyStableDiffusion.First, "fox", $"{Fast} {option}".Trim(), "fox.png");
            Assert.True(run.ExitCode == ExitCode.Success, run.Error);
            Assert.True(pictures.Add(Convert.ToHexString(PictureReader.Read(_folder.At("fox.png")).Data)), option);
        }
    }

    [Fact]
    public void AControlNetMayBeAFile()
    {
        PictureWriter.Write(_folder.At("map.png"), TinyStableDiffusion.Gradient(64, 64));
        string folder = TinyStableDiffusion.At("tiny-controlnet-sd15"), file = _folder.At("edges.safetensors");
        File.Copy(Path.Combine(folder, "diffusion_pytorch_model.safetensors"), file);
        // The wrong family's is passed over where a word is looked for.
        File.Copy(Path.Combine(TinyStableDiffusion.At("tiny-controlnet-sdxl"), "diffusion_pytorch_model.safetensors"), _folder.At("edges-xl.safetensors"));
        // Neither are relatives of the same name.
        Directory.CreateDirectory(_folder.At("edges-union"));
        File.WriteAllText(
            _folder.At("edges-union/config.json"),
            File.ReadAllText(Path.Combine(folder, "config.json")).Replace("{", "{ \"num_control_type\": 6,", StringComparison.Ordinal));
        string? before = Environment.GetEnvironmentVariable(ModelCatalog.Variable);
        Environment.SetEnvironmentVariable(ModelCatalog.Variable, _folder.Path);
        try
        {
            var pictures = new HashSet<string>();
            foreach (string type in (string[])[folder, file, "edges", "edge"])
            {
                CommandRun run = Generate(TinyStableDiffusion.First, "fox", $"{Fast} --control type={type},image={_folder.At("map.png")}", "fox.png");
                Assert.True(run.ExitCode == ExitCode.Success, run.Error);
                pictures.Add(Convert.ToHexString(PictureReader.Read(_folder.At("fox.png")).Data));
            }
            Assert.Single(pictures);
        }
        finally
        {
            Environment.SetEnvironmentVariable(ModelCatalog.Variable, before);
        }
    }

    [Fact]
    public void OneFileIsAModelToo()
    {
        string file = _folder.At("fox-model.safetensors");
        using (StableDiffusionCheckpoint checkpoint = StableDiffusionCheckpoint.Open(TinyStableDiffusion.At(TinyStableDiffusion.First)))
            StableDiffusionWriter.SaveFile(checkpoint, file);
        foreach (string part in Directory.GetFiles(Path.Combine(TinyStableDiffusion.At(TinyStableDiffusion.First), "tokenizer")))
            File.Copy(part, _folder.At(Path.GetFileName(part)));
        CommandRun whole = Generate(TinyStableDiffusion.First, "fox", Fast, "whole.png");
        CommandRun single = CommandRun.Generate(file, "fox", Fast, _folder.At("single.png"));
        Assert.True(whole.ExitCode == ExitCode.Success && single.ExitCode == ExitCode.Success, whole.Error + single.Error);
        Assert.Equal(PictureReader.Read(_folder.At("whole.png")).Data, PictureReader.Read(_folder.At("single.png")).Data);
        Assert.Contains("Model: fox-model,", PictureReader.Identify(_folder.At("single.png")).Metadata.Parameters, StringComparison.Ordinal);
    }

    [Fact]
    public void AFileWithoutAnAutoencoderTakesAnother()
    {
        string model = TinyStableDiffusion.At(TinyStableDiffusion.First), file = _folder.At("fox-model.safetensors");
        using (StableDiffusionCheckpoint checkpoint = StableDiffusionCheckpoint.Open(model))
        using (var kept = new OriginalSource(
                model, checkpoint.Family, checkpoint.Components.Where(part => part.Key != "vae").ToDictionary(part => part.Key, part => part.Value.Weights)))
            SafetensorsWriter.Save(file, kept);
        foreach (string part in Directory.GetFiles(Path.Combine(model, "tokenizer"))) File.Copy(part, _folder.At(Path.GetFileName(part)));
        CommandRun run = CommandRun.Generate(file, "fox", ["--vae", Path.Combine(model, "vae"), .. Fast.Split(' '), "-o", _folder.At("fox.png")]);
        Assert.True(run.ExitCode == ExitCode.Success, run.Error);
    }

    [Fact]
    public void LorasArePartOfThePicture()
    {
        string lora = GoldenCase.Adapter("kohya-sd15.safetensors");
        CommandRun without = Generate(TinyStableDiffusion.First, "fox", Fast, "without.png"),
            with = Generate(TinyStableDiffusion.First, "fox", $"{Fast} --lora {lora}:0.7", "with.png");
        Assert.True(without.ExitCode == ExitCode.Success && with.ExitCode == ExitCode.Success, without.Error + with.Error);
        byte[] painted = PictureReader.Read(_folder.At("with.png")).Data;
        Assert.NotEqual(PictureReader.Read(_folder.At("without.png")).Data, painted);
        Assert.StartsWith("fox <lora:kohya-sd15:0.7>\n", PictureReader.Identify(_folder.At("with.png")).Metadata.Parameters, StringComparison.Ordinal);
        CommandRun again = Generate(TinyStableDiffusion.First, null, $"--like {_folder.At("with.png")} --lora {lora}:0.7 --device cpu", "again.png");
        Assert.True(again.ExitCode == ExitCode.Success, again.Error);
        Assert.Equal(painted, PictureReader.Read(_folder.At("again.png")).Data);
        Assert.Contains("family", Assert.Single(Generate(TinyStableDiffusion.XL, "fox", $"{Fast} --lora {lora}", "xl.png").Problems), StringComparison.Ordinal);
    }

    [Fact]
    public async Task ARunThatIsEndedKeepsWhatItHasPainted()
    {
        using var source = new CancellationTokenSource();
        Task<CommandRun> running = Task.Run(() => CommandRun.Of(
            source.Token,
            ["generate", "fox", "--model", TinyStableDiffusion.At(TinyStableDiffusion.First), .. Fast.Split(' '), "--count", "500", "-o", _folder.At("fox.png")]));
        while (!running.IsCompleted && !File.Exists(_folder.At("fox-001.png"))) await Task.Delay(10, TestContext.Current.CancellationToken);
        await source.CancelAsync();
        CommandRun run = await running;
        Assert.Equal(ExitCode.Cancelled, run.ExitCode);
        Assert.Contains(_folder.At("fox-001.png"), run.Out, StringComparison.Ordinal);
        Assert.InRange(Directory.GetFiles(_folder.Path).Length, 1, 400);
    }

    [Fact]
    public void AFolderThatCannotBeWrittenToIsFoundBeforePainting()
    {
        File.WriteAllText(_folder.At("file"), "");
        CommandRun run = Generate(TinyStableDiffusion.First, "fox", $"{Fast} --count 500", "file/fox.png");
        Assert.Equal(ExitCode.Problem, run.ExitCode);
        Assert.Contains("Cannot write", Assert.Single(run.Problems), StringComparison.Ordinal);
        Assert.Throws<MuralException>(() => new OutputFiles([_folder.At("fox.png"), _folder.At("file/fox.png")]));
        Assert.Equal(["file"], Directory.GetFileSystemEntries(_folder.Path).Select(Path.GetFileName));
    }

    [Fact]
    public void PreviewsAreGoneInTheEnd()
    {
        CommandRun run = Generate(TinyStableDiffusion.First, "fox", $"{Fast} --preview 1", "fox.png");
        Assert.True(run.ExitCode == ExitCode.Success, run.Error);
        Assert.Equal(["fox.png"], Directory.GetFiles(_folder.Path).Select(Path.GetFileName));
        using (var preview = new PreviewFile(_folder.At("fox.png")))
        {
            preview.Show(new Picture(8, 8, 3));
            Assert.True(File.Exists(_folder.At("fox.preview.png")));
        }
        Assert.False(File.Exists(_folder.At("fox.preview.png")));
    }

    [Theory]
    [InlineData("--steps -1", ExitCode.Usage, "--steps")]
    [InlineData("--steps 2000", ExitCode.Problem, "2000")]
    [InlineData("--guidance NaN", ExitCode.Problem, "NaN")]
    [InlineData("--size 63x64", ExitCode.Problem, "multiple of 8")]
    [InlineData("--size 0x0", ExitCode.Usage, "--size")]
    [InlineData("--size 100000x100000", ExitCode.Problem, "too large")]
    [InlineData("--sampler abacus", ExitCode.Problem, "abacus")]
    [InlineData("--rng dice", ExitCode.Usage, "--rng takes cpu or cuda, not 'dice'")]
    [InlineData("--clip-skip 0", ExitCode.Usage, "--clip-skip")]
    [InlineData("--clip-skip 90", ExitCode.Problem, "skip fewer")]
    [InlineData("--vae nowhere", ExitCode.Problem, "nowhere")]
    [InlineData("--embedding nothing.pt", ExitCode.Problem, "nothing.pt")]
    [InlineData("--init-image nothing.png", ExitCode.Problem, "nothing.png")]
    [InlineData("--strength 0.5", ExitCode.Problem, "without a picture")]
    [InlineData("--mask MASK", ExitCode.Problem, "without the picture")]
    [InlineData("--init-image START --mask MASK", ExitCode.Problem, "mask of the picture's size")]
    [InlineData("--control canny", ExitCode.Problem, "key=value")]
    [InlineData("--control type=canny", ExitCode.Problem, "needs image=VALUE")]
    [InlineData("--control type=canny,image=START", ExitCode.Problem, "no ControlNet canny for this model")]
    [InlineData("--control type=canny,image=START,scale=much", ExitCode.Problem, "a number for scale")]
    [InlineData("--ip-adapter model=nothing.bin,image=START", ExitCode.Problem, "image_encoder")]
    [InlineData("--prediction x", ExitCode.Usage, "--prediction takes eps or v, not 'x'")]
    [InlineData("--refiner nowhere", ExitCode.Problem, "nowhere")]
    [InlineData("--refiner-start 0.5", ExitCode.Problem, "--refiner-start is a setting of the refiner")]
    [InlineData("--guidance-start 0.8 --guidance-stop 0.2", ExitCode.Problem, "from 0.8 to 0.2")]
    [InlineData("--crop 8", ExitCode.Usage, "--crop takes")]
    [InlineData("--original-size 8", ExitCode.Usage, "--original-size takes")]
    [InlineData("--schedule polyexponential", ExitCode.Problem, "no noise schedule")]
    [InlineData("--preview 0", ExitCode.Usage, "--preview")]
    [InlineData("--upscale 2", ExitCode.Problem, "--upscale is for DiM models")]
    [InlineData("--like START", ExitCode.Problem, "does not say how it was painted")]
    public void WhatCannotBePaintedIsOneSentence(string options, int exitCode, string reason)
    {
        PictureWriter.Write(_folder.At("start.png"), new Picture(64, 64, 3));
        PictureWriter.Write(_folder.At("mask.png"), new Picture(32, 64, 3));
        string given = options.Replace("START", _folder.At("start.png"), StringComparison.Ordinal).Replace("MASK", _folder.At("mask.png"), StringComparison.Ordinal);
        CommandRun run = Generate(TinyStableDiffusion.First, "fox", given, "fox.png");
        Assert.Equal(exitCode, run.ExitCode);
        Assert.Contains(reason, Assert.Single(run.Problems), StringComparison.Ordinal);
        Assert.False(File.Exists(_folder.At("fox.png")));
    }

    [Fact]
    public void OptionsOfStableDiffusionAreNotForADiM()
    {
        using var model = new TinyDiM();
        CommandRun run = CommandRun.Generate(model.Folder, "cat", "--sampler ddim", _folder.At("cat.png"));
        Assert.Equal(ExitCode.Problem, run.ExitCode);
        Assert.Contains("--sampler is for models of Stable Diffusion", Assert.Single(run.Problems), StringComparison.Ordinal);
    }

    private CommandRun Generate(string model, string? prompt, string options, string output) =>
        CommandRun.Generate(TinyStableDiffusion.At(model), prompt, options, _folder.At(output));
}
