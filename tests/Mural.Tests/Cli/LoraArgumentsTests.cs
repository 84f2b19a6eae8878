using Mural.Cli.Painting;
using Mural.Pipelines;

namespace Mural.Tests.Cli;

public sealed class LoraArgumentsTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void OptionsAndPromptsNameThem()
    {
        string style = Touch("style.safetensors"), other = Touch("other.safetensors");
        LoraArguments arguments = LoraArguments.Parse([$"{style}:0.8", other], "a fox <lora:style:0.3>, snow");
        Assert.Equal([new StableDiffusionLora(style, 0.8), new StableDiffusionLora(other)], arguments.Loras);
        Assert.Equal("a fox , snow", arguments.Prompt);
        Assert.Equal("a fox , snow <lora:style:0.8> <lora:other:1>", arguments.Text);
    }

    [Theory]
    [InlineData("<lora:{0}>", 1, null)]
    [InlineData("<lora:{0}:0.5>", 0.5, null)]
    [InlineData("<lora:{0}:0.25:-1>", -1, 0.25)]
    public void APromptGivesOneOrTwoWeights(string tag, double weight, double? textWeight)
    {
        string style = Touch("style.safetensors"), prompt = "a fox " + string.Format(System.Globalization.CultureInfo.InvariantCulture, tag, style);
        LoraArguments arguments = LoraArguments.Parse([], prompt);
        Assert.Equal([new StableDiffusionLora(style, weight, textWeight)], arguments.Loras);
        Assert.Equal(("a fox", prompt), (arguments.Prompt, arguments.Text));
    }

    [Fact]
    public void EachCountsAsOftenAsItIsNamed()
    {
        string style = Touch("style.safetensors"), tag = $"<lora:{style}:0.5>";
        Directory.CreateDirectory(_folder.At("other"));
        string namesake = Touch(Path.Combine("other", "style.safetensors"));
        Assert.Equal([new StableDiffusionLora(style, 0.8), new StableDiffusionLora(namesake, 0.3)], LoraArguments.Parse([$"{style}:0.8", $"{namesake}:0.3"], "fox").Loras);
        Assert.Equal([new StableDiffusionLora(style, 0.8), new StableDiffusionLora(style, 0.3)], LoraArguments.Parse([$"{style}:0.8", $"{style}:0.3"], "fox").Loras);
        Assert.Equal([new StableDiffusionLora(style, 0.5), new StableDiffusionLora(style, 0.5)], LoraArguments.Parse([], $"fox {tag} {tag}").Loras);
        Assert.Equal("fox <lora:style:0.8> <lora:style:0.3>", LoraArguments.Parse([$"{style}:0.8", $"{style}:0.3"], "fox <lora:style:1>").Text);
    }

    [Theory]
    [InlineData("<hypernet:ink:0.5>")]
    [InlineData("<lora:style:1:1:lbw=OUTALL>")]
    public void TagsOfOtherProgramsAreNoWords(string tag) =>
        Assert.Contains(tag, Assert.Throws<MuralException>(() => LoraArguments.Parse([], $"a fox {tag}")).Message, StringComparison.Ordinal);

    [Fact]
    public void TheOlderTagIsUnderstoodToo()
    {
        string style = Touch("style.safetensors");
        Assert.Equal([new StableDiffusionLora(style, 0.5)], LoraArguments.Parse([], $"a fox <lyco:{style}:0.5>").Loras);
    }

    [Theory]
    [InlineData("nothing:0.8", "no LoRA nothing")]
    [InlineData("nothing", "no LoRA nothing")]
    public void AMissingFileIsOneSentence(string option, string reason) =>
        Assert.Contains(reason, Assert.Throws<MuralException>(() => LoraArguments.Parse([option], "fox")).Message, StringComparison.Ordinal);

    [Fact]
    public void AWeightThatIsNoNumberIsOneSentence()
    {
        string style = Touch("style.safetensors");
        Assert.Contains("'much'", Assert.Throws<MuralException>(() => LoraArguments.Parse([$"{style}:much"], "fox")).Message, StringComparison.Ordinal);
        Assert.Contains("'much'", Assert.Throws<MuralException>(() => LoraArguments.Parse([], $"fox <lora:{style}:much>")).Message, StringComparison.Ordinal);
    }

    private string Touch(string name)
    {
        File.WriteAllText(_folder.At(name), "");
        return _folder.At(name);
    }
}
