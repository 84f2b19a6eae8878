using System.Diagnostics;
using System.Globalization;
using Mural.Runtime;

namespace Mural.Cli.Bench;

/// <summary>
/// The same row with <c>--kernels libtorch</c> in a process of its own, whose allocator is the C library's default: what a PyTorch user
/// gets. It waits between the rounds; a line on its stdin starts one, a line on its stdout answers.
/// </summary>
internal sealed class PlainProcess : IDisposable
{
    private readonly Process _process;
    private readonly CancellationTokenRegistration _registration;
    private readonly CancellationToken _cancellation;
    private readonly Task<string> _problems;

    private PlainProcess(Process process, CancellationToken cancellation)
    {
        _process = process;
        _cancellation = cancellation;
        _registration = cancellation.Register(Kill);
        _problems = process.StandardError.ReadToEndAsync(CancellationToken.None);
        Note = Receive() is { Length: > 0 } note ? note : null;
    }

    /// <summary>What the other process says of its work.</summary>
    internal string? Note { get; }

    internal static PlainProcess Start(string benchmark, string row, int? threads, CancellationToken cancellation)
    {
        ProcessStartInfo start = OwnExecutable();
        foreach (string argument in (string[])["bench", benchmark, "--serve", row]) start.ArgumentList.Add(argument);
        if (threads is { } count)
        {
            start.ArgumentList.Add("--threads");
            start.ArgumentList.Add(count.ToString(CultureInfo.InvariantCulture));
        }
        start.Environment[Allocator.Variable] = "default";
        start.RedirectStandardInput = start.RedirectStandardOutput = start.RedirectStandardError = true;
        return new PlainProcess(Process.Start(start)!, cancellation);
    }

    /// <summary>Milliseconds of each run in one round.</summary>
    internal List<double> Round()
    {
        _process.StandardInput.WriteLine("round");
        return [.. Receive().Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(text => double.Parse(text, CultureInfo.InvariantCulture))];
    }

    /// <summary>What the other process does: prepare and warm, say its note, then time a round for every line on its stdin.</summary>
    internal static void Serve(BenchRow row, TextReader input, TextWriter output, CancellationToken cancellation)
    {
        using IDisposable? shared = row.Shared;
        BenchWork work = row.Prepare(KernelSet.Libtorch);
        using IDisposable held = work.Held;
        List<double> times = BenchTimer.Warm(work);
        output.WriteLine(work.Note ?? "");
        output.Flush();
        while (input.ReadLine() is not null)
        {
            if (times.Count == 0) times = BenchTimer.Round(work, cancellation);
            output.WriteLine(string.Join(' ', times.Select(time => time.ToString("R", CultureInfo.InvariantCulture))));
            output.Flush();
            times = [];
        }
    }

    private string Receive()
    {
        if (_process.StandardOutput.ReadLine() is { } line) return line;
        _cancellation.ThrowIfCancellationRequested();
        _process.WaitForExit();
        throw new MuralException($"The process that runs libtorch's own operators ended early with exit code {_process.ExitCode}: {_problems.Result.Trim()}");
    }

    // The same program, however it was started: by its own executable or through dotnet.
    internal static ProcessStartInfo OwnExecutable()
    {
        string assembly = typeof(PlainProcess).Assembly.Location;
        string executable = Path.ChangeExtension(assembly, OperatingSystem.IsWindows() ? ".exe" : null)!;
        if (File.Exists(executable)) return new ProcessStartInfo(executable);
        var start = new ProcessStartInfo(Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "dotnet");
        start.ArgumentList.Add(assembly);
        return start;
    }

    private void Kill()
    {
        if (!_process.HasExited) _process.Kill();
    }

    public void Dispose()
    {
        _registration.Dispose();
        _process.StandardInput.Close();
        if (!_process.WaitForExit(TimeSpan.FromSeconds(5))) Kill();
        _process.Dispose();
    }
}
