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
        foreach (Command command in (Command[])[new GenerateCommand(), new GenerateCommand(onlyPlans: true), new CompareCommand(), new TrainCommand(), new DistillCommand(), new JudgeCommand(), new ModelsCommand(), new InspectCommand(), new ConvertCommand(), new PullCommand(), new DoctorCommand(), new BenchCommand()]) Add(_root, command);
        HelpOption help = _root.Options.OfType<HelpOption>().Single();
        help.Action = new ExampleHelp((HelpAction)help.Action!);
    }

    /// <summary>Runs one command line and returns the exit code.</summary>
    internal int Run(IReadOnlyList<string> arguments)
    {
        ParseResult parsed = _root.Parse(HiDiffusionArguments.Complete(arguments));
        if (parsed.Errors.Count > 0) return Fail(parsed, UsageProblem.Describe(parsed), ExitCode.Usage, null);
        try
        {
            return parsed.Invoke(new InvocationConfiguration
            {
                Output = _terminal.Out,
                Error = _terminal.Error,
                EnableDefaultExceptionHandler = false,
                ProcessTerminationTimeout = null,
            });
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

    private void Add(Command parent, Command child)
    {
        parent.Add(child);
        if (child is MuralCommand command) command.SetAction(parsed => Run(command, parsed));
        foreach (Command grandchild in child.Subcommands) Attach(grandchild);
    }

    private void Attach(Command command)
    {
        if (command is MuralCommand mural) mural.SetAction(parsed => Run(mural, parsed));
        foreach (Command child in command.Subcommands) Attach(child);
    }

    private int Run(MuralCommand command, ParseResult parsed)
    {
        var context = new CommandContext(parsed, _terminal, _common, _cancellation);
        object? document = command.Run(context);
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
