using Mural.Cli.CommandLine;
using Mural.Cli.Painting;
using Mural.Imaging;
using Mural.Pipelines;
using Mural.Tests.Goldens;
using Mural.Tests.Pipelines;

namespace Mural.Tests.Cli;

/// <summary><c>mural generate --like</c> with pictures of Stable Diffusion, of Mural and of other programs.</summary>
public sealed class GenerateLikeTests : IDisposable
{
    private const string Fast = "--size 64x64 --steps 2 --seed 3 --precision f32 --device cpu";

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(TinyStableDiffusion.First, "dpmpp-2m", null, "leading")]
    [InlineData(TinyStableDiffusion.First, "dpmpp-2s", null, "Uniform")]
    [InlineData(TinyStableDiffusion.XL, "dpmpp-2m", null, "leading")]
    [InlineData(TinyStableDiffusion.XL, "dpmpp-2m", "normal", "Uniform")]
    [InlineData(TinyStableDiffusion.XL, "dpmpp-2m", "lu", "lu")]
    [InlineData(TinyStableDiffusion.First, "ddim", null, null)]
    [InlineData(TinyStableDiffusion.First, "ddim", "trailing", "trailing")]
    public void SchedulesAreWrittenAndReadBack(string model, string sampler, string? schedule, string? written)
    {
        string like = $"--like {_folder.At("fox.png")} --device cpu";
        CommandRun run = Generate(model, "fox", $"{Fast} --sampler {sampler}{(schedule is null ? "" : " --schedule " + schedule)}", "fox.png"),
            again = Generate(model, null, like, "again.png");
        Assert.True(run.ExitCode == ExitCode.Success && again.ExitCode == ExitCode.Success, run.Error + again.Error);
        Assert.Equal(written, SharedParameters.Of(_folder.At("fox.png")).ScheduleType);
        Assert.Equal(PictureReader.Read(_folder.At("fox.png")).Data, PictureReader.Read(_folder.At("again.png")).Data);
        Assert.Equal(SharedParameters.Of(_folder.At("fox.png")).Format(), SharedParameters.Of(_folder.At("again.png")).Format());
    }

    [Fact]
    public void LikeRepeatsEveryPicture()
    {
        CommandRun run = Generate(
            TinyStableDiffusion.First, "a (red:1.2) fox, snow",
            $"{Fast} --count 2 --negative dark --sampler ddim --eta 0.4 --guidance-rescale 0.5 --clip-skip 2 --rng cuda", "fox-{seed}.png");
        Assert.True(run.ExitCode == ExitCode.Success, run.Error);
        foreach (string original in (string[])["fox-3.png", "fox-4.png"])
        {
            CommandRun again = Generate(TinyStableDiffusion.First, null, $"--like {_folder.At(original)} --device cpu", "again.png");
            Assert.True(again.ExitCode == ExitCode.Success, again.Error);
            Assert.Equal(PictureReader.Read(_folder.At(original)).Data, PictureReader.Read(_folder.At("again.png")).Data);
            Assert.Equal(SharedParameters.Of(_folder.At(original)).Format(), SharedParameters.Of(_folder.At("again.png")).Format());
        }
    }

    [Fact]
    public void LikeKnowsAnEmptyNegativePromptFromNone()
    {
        CommandRun run = CommandRun.Generate(
            TinyStableDiffusion.At(TinyStableDiffusion.XL), "fox",
            [.. Fast.Split(' '), "--negative", "", "--sampler", "euler", "--schedule", "ays-sdxl", "-o", _folder.At("empty.png")]);
        CommandRun none = Generate(TinyStableDiffusion.XL, "fox", $"{Fast} --sampler euler --schedule ays-sdxl", "none.png");
        CommandRun again = Generate(TinyStableDiffusion.XL, null, $"--like {_folder.At("empty.png")} --device cpu", "again.png");
        Assert.True(run.ExitCode == ExitCode.Success && none.ExitCode == ExitCode.Success && again.ExitCode == ExitCode.Success, run.Error + none.Error + again.Error);
        Assert.Contains("Schedule type: Align Your Steps", PictureReader.Identify(_folder.At("empty.png")).Metadata.Parameters, StringComparison.Ordinal);
        Assert.NotEqual(PictureReader.Read(_folder.At("none.png")).Data, PictureReader.Read(_folder.At("empty.png")).Data);
        Assert.Equal(PictureReader.Read(_folder.At("empty.png")).Data, PictureReader.Read(_folder.At("again.png")).Data);
    }

    [Fact]
    public void LikeNamesWhatMustBeGivenAgain()
    {
        PictureWriter.Write(_folder.At("start.png"), TinyStableDiffusion.Gradient(64, 64));
        PictureWriter.Write(_folder.At("mask.png"), TinyStableDiffusion.HalfMask(64, 64));
        string[] given =
        [
            $"--init-image {_folder.At("start.png")}", $"--mask {_folder.At("mask.png")}", $"--vae {TinyStableDiffusion.At("tiny-taesd")}", "--prediction v",
            $"--control type={TinyStableDiffusion.At("tiny-controlnet-sd15")},image={_folder.At("start.png")},scale=0.5",
            $"--ip-adapter model={GoldenCase.Adapter("ip-adapter_sd15.safetensors")},image={_folder.At("start.png")}",
        ];
        CommandRun run = Generate(TinyStableDiffusion.First, "fox", $"{Fast} --strength 0.5 --mask-padding 4 {string.Join(' ', given)}", "fox.png");
        Assert.True(run.ExitCode == ExitCode.Success, run.Error);
        string like = $"--like {_folder.At("fox.png")} --device cpu";
        CommandRun again = Generate(TinyStableDiffusion.First, null, $"{like} {string.Join(' ', given)}", "again.png"),
            without = Generate(TinyStableDiffusion.First, null, like, "without.png");
        Assert.True(again.ExitCode == ExitCode.Success && without.ExitCode == ExitCode.Success, again.Error + without.Error);
        Assert.Equal(PictureReader.Read(_folder.At("fox.png")).Data, PictureReader.Read(_folder.At("again.png")).Data);
        Assert.Equal(SharedParameters.Of(_folder.At("fox.png")).Format(), SharedParameters.Of(_folder.At("again.png")).Format());
        Assert.DoesNotContain(again.Problems, problem => problem.Contains("was painted", StringComparison.Ordinal));
        foreach (string option in given.Select(option => option.Split(' ')[0]))
            Assert.Contains(
                without.Problems,
                problem => problem.Contains("without which it will be another", StringComparison.Ordinal) && problem.EndsWith($"with {option}.", StringComparison.Ordinal));
        Assert.Contains("'tiny-taesd'", without.Error, StringComparison.Ordinal);
        Assert.DoesNotContain(_folder.Path, PictureReader.Identify(_folder.At("fox.png")).Metadata.Parameters, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("fox\nSteps: 2, Sampler: Euler, Denoising strength: 0.7, Seed: 1", "--init-image")]
    [InlineData("fox\nSteps: 2, Sampler: Euler, VAE: kl-f8.ckpt, Seed: 1", "--vae")]
    [InlineData("fox\nSteps: 2, Sampler: Euler, ControlNet 0: \"Module: canny, Model: canny\", Seed: 1", "--control")]
    [InlineData("fox\nSteps: 2, Sampler: Euler, Refiner: xl-refiner, Refiner switch at: 1, Seed: 1", "--refiner")]
    [InlineData("fox\nSteps: 2, Sampler: Euler, TI hashes: \"fox: 1234\", Seed: 1", "--embedding")]
    [InlineData("fox\nSteps: 2, Sampler: Euler, ENSD: 0, Emphasis: Original, Seed: 1", null)]
    [InlineData("fox\nSteps: 2, Sampler: Euler, ControlNet Version: 1, Mask blur: 4, Seed: 1", null)]
    public void PicturesOfOtherProgramsNameWhatMustBeGivenToo(string text, string? option)
    {
        GenerationParameters painted = GenerationParameters.Parse(text);
        IEnumerable<string> sentences = Ingredients.Missing(painted, _ => false);
        Assert.Empty(Ingredients.Missing(painted, _ => true));
        if (option is null) Assert.Empty(sentences);
        else Assert.EndsWith($"with {option}.", Assert.Single(sentences), StringComparison.Ordinal);
        Assert.InRange(SharedParameters.ToRequest(painted).RefinerStart, 0.1, 0.9);
    }

    [Theory]
    [InlineData("ENSD: 31337", "ENSD")]
    [InlineData("Emphasis: No norm", "'No norm'")]
    [InlineData("Variation seed: 5, Variation seed strength: 0.2", "Variation seed strength")]
    [InlineData("Denoising strength: 0.7, Hires upscale: 2", "Hires upscale '2'")]
    public void SettingsThatMuralLacksAreNamed(string settings, string named) => Assert.Contains(
        named, Assert.Single(Ingredients.Missing(GenerationParameters.Parse($"fox\nSteps: 2, Sampler: Euler, {settings}, Seed: 1"), _ => false)), StringComparison.Ordinal);

    [Fact]
    public void AnEnlargementIsAskedForWithItsOption()
    {
        GenerationParameters painted = GenerationParameters.Parse("fox\nSteps: 2, Sampler: Euler, Denoising strength: 0.7, Hires upscale: 2, Seed: 1");
        Assert.EndsWith("--upscale-to.", Assert.Single(Ingredients.Missing(painted, _ => false)), StringComparison.Ordinal);
        Assert.Empty(Ingredients.Missing(painted, option => option == "--upscale-to"));
    }

    [Theory]
    [InlineData("DPM++ 3M SDE Karras", null, "dpmpp-2m-sde karras", null, 1)]
    [InlineData("DPM++ 2S a", "Karras", "dpmpp-2s", "Karras", 1)]
    [InlineData("Restart", "KL Optimal", "heun", "karras", 2)]
    [InlineData("Euler", "Polyexponential", "Euler", "exponential", 1)]
    [InlineData("Abacus", "Hourglass", "euler", null, 2)]
    [InlineData("DDIM", "Karras", "DDIM", null, 1)]
    [InlineData("DPM++ 2M", "DDIM", "DPM++ 2M", "leading", 1)]
    [InlineData("k_euler_a", "Uniform", "k_euler_a", "Uniform", 0)]
    [InlineData("DPM++ 2M", "Automatic", "DPM++ 2M", "karras", 0)]
    [InlineData("Euler a", "Automatic", "Euler a", null, 0)]
    public void WhatComesClosestIsTakenInstead(string sampler, string? schedule, string? takenSampler, string? takenSchedule, int warnings)
    {
        var said = new List<string>();
        var painted = new GenerationParameters { Sampler = sampler, ScheduleType = schedule };
        StableDiffusionRequest request = Substitutes.For(SharedParameters.ToRequest(painted), keepSchedule: false, said.Add);
        Assert.Equal((takenSampler, takenSchedule), (request.Sampler, request.Schedule));
        Assert.Equal(warnings, said.Count);
        string? taken = takenSampler != sampler ? takenSampler : takenSchedule ?? "the sampler's own";
        if (warnings > 0) Assert.Contains($"{taken} is taken instead", said[0], StringComparison.Ordinal);
    }

    [Fact]
    public void LikePaintsWithWhatComesClosest()
    {
        Picture picture = TinyStableDiffusion.Gradient(64, 64);
        PictureWriter.Write(_folder.At("other.png"), picture, metadata: PictureMetadata.Of(
            new GenerationParameters { Prompt = "fox", Steps = 2, Sampler = "DPM++ 3M SDE", ScheduleType = "KL Optimal", Seed = 1, Width = 64, Height = 64 }, null));
        string like = $"--like {_folder.At("other.png")} --device cpu";
        CommandRun run = Generate(TinyStableDiffusion.First, null, like, "fox.png"), chosen = Generate(TinyStableDiffusion.First, null, $"{like} --sampler euler", "chosen.png");
        Assert.True(run.ExitCode == ExitCode.Success && chosen.ExitCode == ExitCode.Success, run.Error + chosen.Error);
        Assert.Equal(2, run.Problems.Count(problem => problem.Contains("is taken instead", StringComparison.Ordinal)));
        Assert.DoesNotContain("is taken instead", chosen.Error, StringComparison.Ordinal);
        Assert.Equal(("DPM++ 2M SDE", "Karras"), (SharedParameters.Of(_folder.At("fox.png")).Sampler, SharedParameters.Of(_folder.At("fox.png")).ScheduleType));
    }

    [Fact]
    public void LikeRepeatsWhatOnlyXLIsTold()
    {
        const string Told = "--guidance-start 0.25 --guidance-stop 0.75 --prompt-2 snow --negative-2 rain --original-size 32x16 --crop 8,4 --aesthetic-score 7";
        string options = $"{Fast.Replace("--steps 2", "--steps 4", StringComparison.Ordinal)} --negative dark";
        CommandRun run = Generate(TinyStableDiffusion.XL, "fox", $"{options} {Told}", "fox.png"),
            again = Generate(TinyStableDiffusion.XL, null, $"--like {_folder.At("fox.png")} --device cpu", "again.png");
        Assert.True(run.ExitCode == ExitCode.Success && again.ExitCode == ExitCode.Success, run.Error + again.Error);
        Assert.Equal(PictureReader.Read(_folder.At("fox.png")).Data, PictureReader.Read(_folder.At("again.png")).Data);
        Assert.Equal(SharedParameters.Of(_folder.At("fox.png")).Format(), SharedParameters.Of(_folder.At("again.png")).Format());
        StableDiffusionRequest request = SharedParameters.ToRequest(SharedParameters.Of(_folder.At("fox.png")));
        Assert.Equal((0.25, 0.75, "snow", "rain"), (request.GuidanceStart, request.GuidanceStop, request.SecondPrompt, request.SecondNegativePrompt));
        Assert.Equal(new SizeConditioning { Original = (16, 32), Crop = (4, 8), AestheticScore = 7 }, request.Sizes);
        foreach (string option in (string[])["--guidance-stop 0.75", "--prompt-2 snow", "--negative-2 rain", "--original-size 32x16", "--crop 8,4"])
        {
            Assert.Equal(ExitCode.Success, Generate(TinyStableDiffusion.XL, "fox", $"{options} {option}", "one.png").ExitCode);
            Assert.Equal(ExitCode.Success, Generate(TinyStableDiffusion.XL, "fox", options, "none.png").ExitCode);
            Assert.NotEqual(PictureReader.Read(_folder.At("none.png")).Data, PictureReader.Read(_folder.At("one.png")).Data);
        }
        CommandRun useless = Generate(TinyStableDiffusion.First, "fox", $"{Fast} --crop 8,4", "first.png");
        Assert.Contains("is told nothing of sizes", useless.Error, StringComparison.Ordinal);
    }

    private CommandRun Generate(string model, string? prompt, string options, string output) =>
        CommandRun.Generate(TinyStableDiffusion.At(model), prompt, options, _folder.At(output));
}
