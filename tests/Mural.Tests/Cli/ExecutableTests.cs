using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;
using Mural.Cli;
using Mural.Cli.CommandLine;
using Mural.Imaging;
using Mural.Runtime;
using Mural.Tests.Pipelines;

namespace Mural.Tests.Cli;

/// <summary>What only the real program shows: its streams, exit codes and signals.</summary>
public sealed class ExecutableTests : IClassFixture<TinyDiM>
{
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(5);
    private readonly TinyDiM _model;

    public ExecutableTests(TinyDiM model) => _model = model;

    [Fact]
    public void VersionIsThatOfTheAssembly()
    {
        CommandRun run = Run("--version");
        Assert.Equal(ExitCode.Success, run.ExitCode);
        Assert.StartsWith(typeof(MuralApplication).Assembly.GetName().Version!.ToString(3), run.Out, StringComparison.Ordinal);
    }

    [Fact]
    public void AProblemIsOneSentenceOnStderr()
    {
        CommandRun run = Run("inspect", "no-such-file.safetensors");
        Assert.Equal((ExitCode.Problem, ""), (run.ExitCode, run.Out));
        Assert.StartsWith("mural: ", Assert.Single(run.Problems), StringComparison.Ordinal);
    }

    [Fact]
    public void ModelsOfTheEnvironmentAreFoundByName()
    {
        using var folder = new TemporaryFolder();
        string name = Path.GetFileName(_model.Folder);
        // A broken one is named beside the others.
        Directory.CreateDirectory(folder.At("all/broken"));
        File.WriteAllText(folder.At("all/broken/model_index.json"), "{ no json");
        using Process process = Start(start => start.Environment["MURAL_MODELS"] = string.Join(Path.PathSeparator, _model.Folder, folder.At("all")), "models", "--json");
        JsonArray models = Finish(process).Json["models"]!.AsArray();
        Assert.Contains(name, models.Select(model => model!["name"]!.GetValue<string>()));
        Assert.NotNull(models.Single(model => model!["name"]!.GetValue<string>() == "broken")!["problem"]);

        using Process painter = Start(start => start.Environment["MURAL_MODELS"] = _model.Folder, "generate", "cat", "--model", name, "--steps", "2", "-o", folder.At("cat.png"));
        Assert.Equal(ExitCode.Success, Finish(painter).ExitCode);
        Assert.Equal(PictureFormat.Png, PictureReader.Identify(folder.At("cat.png")).Format);
    }

    [Fact]
    public void InterruptingStopsSoonAndLeavesNoFile()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Windows has no signal to send to one process.");
        using var folder = new TemporaryFolder();
        using Process process = Start(_ => { }, "generate", "cat", "--model", _model.Folder, "--steps", "20000", "-o", folder.At("cat.png"));
        string? line;
        do line = process.StandardOutput.ReadLine();
        while (line is not null && !line.Contains("20000 steps", StringComparison.Ordinal));

        long start = Stopwatch.GetTimestamp();
        using (var kill = Process.Start("kill", [InterruptIsIgnored() ? "-TERM" : "-INT", $"{process.Id}"])) kill.WaitForExit();
        CommandRun run = Finish(process);
        Assert.Equal(ExitCode.Cancelled, run.ExitCode);
        Assert.Equal("mural: Stopped.", Assert.Single(run.Problems));
        Assert.True(Stopwatch.GetElapsedTime(start) < TimeSpan.FromSeconds(30));
        Assert.Empty(Directory.GetFileSystemEntries(folder.Path));
    }

    // Shells start what they run in the background with Ctrl-C ignored, and every process below inherits that; the request to end is answered alike.
    private static bool InterruptIsIgnored()
    {
        const int Interrupt = 2;
        string ignored = ProcFile.Value("/proc/self/status", "SigIgn");
        return ulong.TryParse(ignored, NumberStyles.HexNumber, CultureInfo.InvariantCulture, out ulong mask) && (mask & (1UL << (Interrupt - 1))) != 0;
    }

    private static CommandRun Run(params string[] arguments)
    {
        using Process process = Start(_ => { }, arguments);
        return Finish(process);
    }

    private static Process Start(Action<ProcessStartInfo> change, params string[] arguments)
    {
        var start = new ProcessStartInfo("dotnet") { RedirectStandardOutput = true, RedirectStandardError = true };
        start.ArgumentList.Add(typeof(MuralApplication).Assembly.Location);
        foreach (string argument in arguments) start.ArgumentList.Add(argument);
        change(start);
        return Process.Start(start)!;
    }

    private static CommandRun Finish(Process process)
    {
        Task<string> output = process.StandardOutput.ReadToEndAsync(), error = process.StandardError.ReadToEndAsync();
        if (!process.WaitForExit(Limit))
        {
            process.Kill();
            process.WaitForExit();
        }
        return new CommandRun(process.ExitCode, output.Result, error.Result);
    }
}
