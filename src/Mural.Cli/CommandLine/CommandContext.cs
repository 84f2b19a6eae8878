using System.CommandLine;

namespace Mural.Cli.CommandLine;

/// <summary>What a command works with: its arguments, where it may write, and when it must stop.</summary>
internal sealed class CommandContext
{
    private readonly ParseResult _parsed;
    private readonly Terminal _terminal;
    private readonly CommonOptions _common;

    internal CommandContext(ParseResult parsed, Terminal terminal, CommonOptions common, CancellationToken cancellation)
    {
        _parsed = parsed;
        _terminal = terminal;
        _common = common;
        Cancellation = cancellation;
    }

    internal CancellationToken Cancellation { get; }

    /// <summary>What the program returns when the command is through.</summary>
    internal int ExitCode { get; set; } = CommandLine.ExitCode.Success;

    private bool Silent => _parsed.GetValue(_common.Json) || _parsed.GetValue(_common.Quiet);

    private bool ShowsProgress => !Silent && _terminal.Interactive;

    internal T? Value<T>(Option<T> option) => _parsed.GetValue(option);

    /// <summary>Whether the option stands on the command line, rather than having its default.</summary>
    internal bool Given(Option option) => _parsed.GetResult(option) is { Implicit: false };

    internal T? Value<T>(Argument<T> argument) => _parsed.GetValue(argument);

    /// <summary>A line for the person at the terminal; nothing where a script reads JSON or asked for quiet.</summary>
    internal void Say(string line = "")
    {
        if (!Silent) _terminal.Out.WriteLine(line);
    }

    /// <summary>Something that went well enough, but perhaps not as hoped.</summary>
    internal void Warn(string sentence)
    {
        if (!_parsed.GetValue(_common.Quiet)) _terminal.Error.WriteLine($"mural: note: {sentence}");
    }

    /// <summary>Runs <paramref name="work"/> under a progress bar with rate and time left, where a person watches.</summary>
    internal T WithProgress<T>(Func<Action<ProgressReport>, T> work) =>
        ShowsProgress ? ProgressDisplay.Run(_terminal.Error, work) : work(static _ => { });

    /// <summary>The same for work that is awaited.</summary>
    internal Task<T> WithProgressAsync<T>(Func<Action<ProgressReport>, Task<T>> work) =>
        ShowsProgress ? ProgressDisplay.RunAsync(_terminal.Error, work) : work(static _ => { });
}
