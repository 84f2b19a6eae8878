using Mural.Cli.CommandLine;

namespace Mural.Tests.Cli;

public class UsageTests
{
    [Theory]
    [InlineData("doctr", "did you mean 'doctor'?")]
    [InlineData("xyzzy", "'xyzzy' is not a command of mural")]
    [InlineData("doctor --jsn", "did you mean '--json'?")]
    [InlineData("doctor --threads many", "--threads takes a whole number, not 'many'")]
    [InlineData("doctor --threads 0", "--threads takes a number from 1 on, not 0")]
    [InlineData("doctor --threads", "--threads needs a value")]
    [InlineData("doctor --kernels fast", "--kernels takes mural or libtorch, not 'fast'")]
    [InlineData("doctor --precision f64", "--precision takes auto, f32, bf16 or f16, not 'f64'")]
    [InlineData("doctor more", "'more' is not an argument of mural doctor")]
    [InlineData("", "mural needs a command: ")]
    public void AWrongCommandLineIsOneSentence(string line, string expected)
    {
        CommandRun run = CommandRun.Of(line.Split(' ', StringSplitOptions.RemoveEmptyEntries));
        Assert.Equal(ExitCode.Usage, run.ExitCode);
        Assert.Equal("", run.Out);
        string sentence = Assert.Single(run.Problems);
        Assert.StartsWith("mural: ", sentence, StringComparison.Ordinal);
        Assert.Contains(expected, sentence, StringComparison.Ordinal);
    }

    [Fact]
    public void JsonTellsAProblemToo()
    {
        CommandRun run = CommandRun.Of("doctor", "--json", "--threads", "0");
        Assert.Equal(ExitCode.Usage, run.ExitCode);
        Assert.Contains("--threads", run.Json["error"]!.GetValue<string>(), StringComparison.Ordinal);
        Assert.Equal(ExitCode.Usage, run.Json["exitCode"]!.GetValue<int>());
    }

    [Fact]
    public void HelpShowsEveryCommandInUse()
    {
        CommandRun run = CommandRun.Of("--help");
        Assert.Equal(ExitCode.Success, run.ExitCode);
        Assert.Contains("mural doctor", run.Out, StringComparison.Ordinal);
        Assert.Contains("mural doctor --json", CommandRun.Of("doctor", "--help").Out, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("generate")]
    [InlineData("train dim")]
    [InlineData("train vae")]
    [InlineData("models")]
    [InlineData("inspect")]
    [InlineData("convert")]
    [InlineData("doctor")]
    [InlineData("bench")]
    public void HelpNeedsNoArguments(string command)
    {
        CommandRun run = CommandRun.Of([.. command.Split(' '), "--help"]);
        Assert.True(run.ExitCode == ExitCode.Success, run.Error);
        Assert.Contains($"mural {command}", run.Out, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("train", "train", 0)]
    [InlineData("trian", "train", 1)]
    [InlineData("modles", "models", 1)]
    [InlineData("", "ab", 2)]
    [InlineData("kitten", "sitting", 3)]
    public void EditDistanceCountsLetters(string a, string b, int distance)
    {
        Assert.Equal(distance, UsageProblem.EditDistance(a, b));
        Assert.Equal(distance, UsageProblem.EditDistance(b, a));
    }
}
