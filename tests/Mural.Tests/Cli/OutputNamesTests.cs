using Mural.Cli.Painting;

namespace Mural.Tests.Cli;

public class OutputNamesTests
{
    [Theory]
    [InlineData("a.png", new ulong[] { 7 }, new[] { "a.png" })]
    [InlineData("a.png", new ulong[] { 7, 8 }, new[] { "a-1.png", "a-2.png" })]
    [InlineData("a-{seed}.webp", new ulong[] { 7, 8 }, new[] { "a-7.webp", "a-8.webp" })]
    [InlineData("{n}/a.jpg", new ulong[] { 7 }, new[] { "1/a.jpg" })]
    public void PlaceholdersAreFilled(string pattern, ulong[] seeds, string[] names) => Assert.Equal(names, OutputNames.Of(pattern, seeds));

    [Fact]
    public void NumbersSortAsNames() => Assert.Equal("a-03.png", OutputNames.Of("a.png", [.. Enumerable.Range(0, 12).Select(i => (ulong)i)])[2]);

    [Theory]
    [InlineData("Red heart, 3D!", "red-heart-3d-{seed}.png")]
    [InlineData("", "picture-{seed}.png")]
    [InlineData("日本", "picture-{seed}.png")]
    public void APromptBecomesAName(string prompt, string name) => Assert.Equal(name, OutputNames.FromPrompt(prompt));
}
