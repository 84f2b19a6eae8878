using Mural.Imaging;

namespace Mural.Tests.Imaging;

public class GenerationParametersTests
{
    private static readonly GenerationParameters Whole = new()
    {
        Prompt = "a red fox, (snow:1.2)\nsecond line",
        NegativePrompt = "blurry,\nlow quality",
        Steps = 20,
        Sampler = "Euler a",
        ScheduleType = "Automatic",
        GuidanceScale = 7.5,
        Seed = 4294967295,
        Width = 512,
        Height = 768,
        ModelHash = "6ce0161689",
        Model = "v1-5: pruned, \"emaonly\"",
        DenoisingStrength = 0.75,
        ClipSkip = 2,
        Rng = "CPU",
        Others = [new("Lora hashes", "a: 1234, b: 5"), new("VAE", "x.pt"), new("Empty", ""), new("Lines", "a\nb")],
        Version = "v1.10.1",
    };

    [Fact]
    public void OrderAndQuotesAreThoseOfTheWebUi() => Assert.Equal(
        "a red fox, (snow:1.2)\nsecond line\nNegative prompt: blurry,\nlow quality\n" +
        "Steps: 20, Sampler: Euler a, Schedule type: Automatic, CFG scale: 7.5, Seed: 4294967295, Size: 512x768, Model hash: 6ce0161689, " +
        "Model: \"v1-5: pruned, \\\"emaonly\\\"\", Denoising strength: 0.75, Clip skip: 2, RNG: CPU, Lora hashes: \"a: 1234, b: 5\", VAE: x.pt, " +
        "Empty: \"\", Lines: \"a\\nb\", Version: v1.10.1",
        Whole.Format());

    [Fact]
    public void EverythingComesBack()
    {
        GenerationParameters back = GenerationParameters.Parse(Whole.Format());
        Assert.Equal(Whole.Others, back.Others);
        Assert.Equal(Whole, back with { Others = Whole.Others });
    }

    [Theory]
    [InlineData("")]
    [InlineData("only a prompt")]
    [InlineData("two\nlines: of prompt, with: two pairs")]
    [InlineData("日本 🦊")]
    public void ATextWithoutSettingsIsThePrompt(string text)
    {
        GenerationParameters parameters = GenerationParameters.Parse(text);
        Assert.Equal(new GenerationParameters { Prompt = text, Others = parameters.Others }, parameters);
        Assert.Empty(parameters.Others);
        Assert.Equal(text, parameters.Format());
    }

    [Fact]
    public void AnEmptyNegativePromptHasNoLine()
    {
        string text = new GenerationParameters { Prompt = "x", Steps = 1, Seed = 2, Sampler = "Heun" }.Format();
        Assert.Equal("x\nSteps: 1, Sampler: Heun, Seed: 2", text);
        Assert.Equal("", GenerationParameters.Parse(text).NegativePrompt);
    }

    [Fact]
    public void ANegativePromptWithoutSettingsIsRead()
    {
        GenerationParameters parameters = GenerationParameters.Parse("a fox\nNegative prompt: blurry");
        Assert.Equal(("a fox", "blurry"), (parameters.Prompt, parameters.NegativePrompt));
    }

    [Fact]
    public void WindowsLineEndsAreRead()
    {
        GenerationParameters parameters = GenerationParameters.Parse("a\r\nb\r\nNegative prompt: c\r\nSteps: 3, Seed: 4, Size: 8x16\r\n");
        Assert.Equal(("a\nb", "c", 3, 8, 16), (parameters.Prompt, parameters.NegativePrompt, parameters.Steps, parameters.Width, parameters.Height));
    }

    [Theory]
    [InlineData("Steps: many, Size: 512, Seed: 1, CFG scale: NaN", "Steps", "many")]
    [InlineData("Steps: 1, Size: 512 x, Seed: 1", "Size", "512 x")]
    [InlineData("Steps: 1, Seed: 1, SDCPP: {\"a\":1}", "SDCPP", "{\"a\":1}")]
    [InlineData("Steps: 1, Seed: 1, Broken: \"never closed", "Broken", "\"never closed")]
    [InlineData("Steps: 1, Seed: 1, Odd: \"a\" b", "Odd", "\"a\" b")]
    [InlineData("Steps: 1, no key here, Seed: 1, A/B-c d: e", "A/B-c d", "e")]
    public void WhatIsNotUnderstoodIsKept(string line, string key, string value)
    {
        GenerationParameters parameters = GenerationParameters.Parse("prompt\n" + line);
        Assert.Equal("prompt", parameters.Prompt);
        Assert.Equal(1, parameters.Seed);
        Assert.Contains(new KeyValuePair<string, string>(key, value), parameters.Others);
    }

    [Fact]
    public void NoTextIsRefused()
    {
        const string Letters = "abS:,\"\\\n x1é🦊";
        var random = new Random(7);
        for (int round = 0; round < 20_000; round++)
        {
            string text = string.Concat(Enumerable.Range(0, random.Next(40)).Select(_ => Letters[random.Next(Letters.Length)]));
            GenerationParameters once = GenerationParameters.Parse(text), twice = GenerationParameters.Parse(once.Format());
            Assert.Equal(once.Seed, twice.Seed);
        }
    }
}
