using Mural.Cli.Painting;

namespace Mural.Tests.Cli;

public class ControlArgumentTests
{
    [Theory]
    [InlineData("type=canny,image=map.png", "canny", "map.png", 1)]
    [InlineData("type=canny, image=map.png , scale=0.5", "canny", "map.png", 0.5)]
    [InlineData("image=maps, old/a=1, b.png,type=a,b.pth,scale=0.5", "a,b.pth", "maps, old/a=1, b.png", 0.5)]
    public void PathsMayHaveCommas(string text, string type, string image, double scale)
    {
        ControlArgument control = ControlArgument.Parse(text);
        Assert.Equal((type, image, scale), (control.Type, control.Image, control.Scale));
    }

    [Fact]
    public void ThoseOfAnIpAdapterToo()
    {
        PicturePromptArgument prompt = PicturePromptArgument.Parse("model=a,b.bin,image=fox, red.png,encoder=c,d,scale=0.3");
        Assert.Equal(("a,b.bin", "fox, red.png", "c,d", 0.3), (prompt.Model, prompt.Image, prompt.Encoder, prompt.Scale));
    }

    [Theory]
    [InlineData("canny,image=map.png", "not 'canny'")]
    [InlineData("kind=canny,image=map.png", "not 'kind=canny'")]
    [InlineData("type=canny,image=map.png,type=depth", "not 'type=depth'")]
    [InlineData("type=canny", "needs image=VALUE")]
    [InlineData("type=canny,image=map.png,scale=1,5", "not '1,5'")]
    public void WhatIsNotOfThatFormIsOneSentence(string text, string reason)
    {
        string message = Assert.Throws<MuralException>(() => ControlArgument.Parse(text)).Message;
        Assert.Contains(reason, message, StringComparison.Ordinal);
    }
}
