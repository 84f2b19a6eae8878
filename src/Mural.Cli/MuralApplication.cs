using System.CommandLine;
using System.CommandLine.Help;
using Mural.Cli.CommandLine;
using Mural.Cli.Commands;
using Mural.Cli.Painting;

namespace Mural.Cli;

/// <summary>The <c>mural</c> program: finds the command, runs it, and turns whatever goes wrong into one sentence and an exit code.</summary>
internal sealed class MuralApplication
{
    private readonly CommonOptions _common = new();
    private readonly RootCommand _root;
    private readonly Terminal _terminal;
    private readonly CancellationToken _cancellation;

    internal MuralApplication(Terminal terminal, CancellationToken cancellation)
    {
        _terminal = terminal;
        _cancellation = cancellation;
        _root = new RootCommand("Mural: efficient high-resolution image synthesis.") { HelpName = "mural" };
        _common.AddTo(_root);
        foreach (Command command in (Command[])
        [
            new GenerateCommand(), new GenerateCommand(onlyPlans: true), new CompareCommand(), new TrainCommand(), new DistillCommand(),
            new JudgeCommand(), new ModelsCommand(), new InspectCommand(), new ConvertCommand(), new PullCommand(), new DoctorCommand(), new BenchCommand()
        ])
        {
            _root.Add(command);
            Attach(command);
        }
        HelpOption help = _root.Options.OfType<HelpOption>().Single();
        help.Action = new ExampleHelp((HelpAction)help.Action!);
    }

    /// <summary>Runs one command line and returns the exit code.</summary>
    internal async Task<int> RunAsync(IReadOnlyList<string> arguments)
    {
        ParseResult parsed = _root.Parse(HiDiffusionArguments.Complete(arguments));
        if (parsed.Errors.Count > 0) return Fail(parsed, UsageProblem.Describe(parsed), ExitCode.Usage, null);
        try
        {
            var configuration = new InvocationConfiguration
            {
                Output = _terminal.Out,
                Error = _terminal.Error,
                EnableDefaultExceptionHandler = false,
                ProcessTerminationTimeout = null,
            };
            return await parsed.InvokeAsync(configuration, _cancellation).ConfigureAwait(false);
        }
        catch (OperationCanceledException exception)
        {
            return Fail(parsed, "Stopped.", ExitCode.Cancelled, exception);
        }
        catch (Exception exception)
        {
            return Fail(parsed, Problem.Describe(exception), ExitCode.Problem, exception);
        }
    }

    private void Attach(Command command)
    {
        if (command is MuralCommand mural) mural.SetAction((parsed, cancellation) => RunAsync(mural, parsed, cancellation));
        foreach (Command child in command.Subcommands) Attach(child);
    }

    private async Task<int> RunAsync(MuralCommand command, ParseResult parsed, CancellationToken cancellation)
    {
        var context = new CommandContext(parsed, _terminal, _common, cancellation);
        object? document = await command.RunAsync(context).ConfigureAwait(false);
        if (document is not null && parsed.GetValue(_common.Json)) _terminal.Out.WriteLine(JsonOutput.Write(document));
        return context.ExitCode;
    }

    private int Fail(ParseResult parsed, string sentence, int code, Exception? exception)
    {
        _terminal.Error.WriteLine($"mural: {sentence}");
        if (exception is not null && parsed.GetValue(_common.Verbose)) _terminal.Error.WriteLine(exception);
        if (parsed.GetValue(_common.Json)) _terminal.Out.WriteLine(JsonOutput.Write(new { error = sentence, exitCode = code }));
        return code;
    }
}
