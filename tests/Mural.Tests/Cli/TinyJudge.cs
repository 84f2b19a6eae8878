using System.Text.Json.Nodes;
using Mural.Cli.CommandLine;
using Mural.Tests.Training;

namespace Mural.Tests.Cli;

/// <summary>A judge of four words and the pictures that it was trained on.</summary>
public sealed class TinyJudge : IDisposable
{
    internal TrainingFolder Folder { get; } = new();

    internal string List => Folder.At("list.jsonl");

    internal string Result => Folder.At("run/result");

    public TinyJudge()
    {
        JsonNode settings = JsonNode.Parse(TrainingFolder.Judge)!;
        settings["steps"] = 2;
        CommandRun run = CommandRun.Of("train", "judge", Folder.WriteText("judge.json", settings.ToJsonString()));
        Assert.True(run.ExitCode == ExitCode.Success, run.Error);
    }

    public void Dispose() => Folder.Dispose();
}
