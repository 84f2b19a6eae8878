using System.Text;
using Mural.Checkpoints.StableDiffusion;
using Mural.Cli.CommandLine;
using Mural.Tests.Checkpoints.StableDiffusion;
using Mural.Tests.Hub;

namespace Mural.Tests.Cli;

public class PullTests
{
    [Fact]
    public void AModelIsFetchedAndOpens()
    {
        using var folder = new TemporaryFolder();
        string model = TinyModels.Folder("tiny-sd15");
        using var server = new HubServer([.. Directory.GetFiles(model, "*", SearchOption.AllDirectories)
            .Select(file => (Path.GetRelativePath(model, file).Replace('\\', '/'), File.ReadAllBytes(file))).Append(("README.md", "read me"u8.ToArray()))]);
        CommandRun run = CommandRun.Of("pull", HubServer.Repository, "-o", folder.At("model"), "--endpoint", server.Options.Endpoint.ToString(), "--json");
        Assert.Equal((ExitCode.Success, ""), (run.ExitCode, run.Error));
        Assert.Equal(folder.At("model"), run.Json["path"]!.GetValue<string>());
        Assert.False(File.Exists(folder.At("model/README.md")));
        using StableDiffusionCheckpoint fetched = StableDiffusionCheckpoint.Open(folder.At("model")), original = StableDiffusionCheckpoint.Open(model);
        Assert.Equal(["text_encoder", "unet", "vae"], fetched.Components.Keys.Order());
        Assert.Equal(fetched.LoadTokenizer("text_encoder").EncodeWindow("a cat"), original.LoadTokenizer("text_encoder").EncodeWindow("a cat"));

        CommandRun again = CommandRun.Of("pull", HubServer.Repository, "-o", folder.At("model"), "--endpoint", server.Options.Endpoint.ToString(), "--json");
        Assert.Equal(0, again.Json["fetched"]!.GetValue<int>());
    }

    [Theory]
    [InlineData("no address", "which is no address", "--endpoint", "ftp://somewhere")]
    [InlineData("a name", "ORGANISATION/NAME", "--revision", "main")]
    public void WhatCannotBeFetchedIsOneSentence(string repository, string expected, params string[] options)
    {
        using var folder = new TemporaryFolder();
        CommandRun run = CommandRun.Of(["pull", repository, "-o", folder.At("model"), .. options]);
        Assert.Equal(ExitCode.Problem, run.ExitCode);
        Assert.Contains(expected, Assert.Single(run.Problems), StringComparison.Ordinal);
        Assert.Empty(Directory.GetFileSystemEntries(folder.Path));
    }

    [Fact]
    public void OnlyNamedFilesAreFetched()
    {
        using var folder = new TemporaryFolder();
        using var server = new HubServer(("a.safetensors", "one"u8.ToArray()), ("b/c.safetensors", Encoding.UTF8.GetBytes("two")));
        CommandRun run = CommandRun.Of("pull", HubServer.Repository, "-o", folder.Path, "--endpoint", server.Options.Endpoint.ToString(), "--file", "b/c.safetensors");
        Assert.Equal(ExitCode.Success, run.ExitCode);
        Assert.Equal("two", File.ReadAllText(folder.At("b/c.safetensors")));
        Assert.Single(Directory.GetFileSystemEntries(folder.Path));
    }
}
