using System.Text.Json.Nodes;
using Mural.Cli.Bench;
using Mural.Cli.CommandLine;

namespace Mural.Tests.Cli;

public class DoctorTests
{
    [Fact]
    public void DoctorTellsMachineAndChoices()
    {
        CommandRun run = CommandRun.Of("doctor", "--json", "--precision", "f32", "--kernels", "libtorch");
        Assert.Equal(ExitCode.Success, run.ExitCode);
        Assert.Equal("f32", run.Json["precision"]!["chosen"]!.GetValue<string>());
        Assert.Equal("libtorch", run.Json["kernels"]!["chosen"]!.GetValue<string>());
        Assert.Equal("cpu", run.Json["device"]!["chosen"]!.GetValue<string>());
        Assert.StartsWith("2.10", run.Json["libtorch"]!.GetValue<string>(), StringComparison.Ordinal);
        Assert.True(run.Json["rates"]!["f32"]!.GetValue<double>() > 0.1);
        Assert.True(run.Json["rates"]!["bf16"]!.GetValue<double>() > 0.01);
        JsonNode attention = Assert.Single(run.Json["attention"]!.AsArray())!;
        Assert.Equal("libtorch's operator", attention["chosen"]!.GetValue<string>());
        Assert.Contains("cross-40x4096x77", attention["shapes"]!.AsArray().Select(name => name!.GetValue<string>()));
        Assert.True(run.Json["memory"]!["total"]!.GetValue<long>() > 1 << 28);
    }

    [Fact]
    public void DoctorTellsHowAttentionIsComputed()
    {
        CommandRun run = CommandRun.Of("doctor", "--json", "--precision", "f32");
        JsonArray attention = run.Json["attention"]!.AsArray();
        Assert.Equal(
            NamedAttention.All.Select(shape => shape.Name).Order(),
            attention.SelectMany(way => way!["shapes"]!.AsArray()).Select(name => name!.GetValue<string>()).Order());
        Assert.All(attention, way => Assert.NotEmpty(way!["reason"]!.GetValue<string>()));
        Assert.DoesNotContain("bf16", attention.Select(way => way!["chosen"]!.GetValue<string>()));
    }

    [Fact]
    public void ADeviceThatIsNotThereIsOneSentence()
    {
        CommandRun run = CommandRun.Of("doctor", "--device", "cuda:7");
        Assert.Equal(ExitCode.Problem, run.ExitCode);
        Assert.Contains("cuda:7", Assert.Single(run.Problems), StringComparison.Ordinal);
    }

    [Fact]
    public void VerboseShowsTheTrace()
    {
        CommandRun run = CommandRun.Of("doctor", "--device", "abacus", "--verbose");
        Assert.Equal(ExitCode.Problem, run.ExitCode);
        Assert.Contains("   at Mural.Runtime.RuntimePlan", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void ACancelledRunSaysSo()
    {
        CommandRun run = CommandRun.Of(new CancellationToken(canceled: true), "doctor");
        Assert.Equal(ExitCode.Cancelled, run.ExitCode);
        Assert.Equal("mural: Stopped.", Assert.Single(run.Problems));
    }
}
